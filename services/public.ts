import type { RoutedOperation } from '#declare/http.ts';
import { authorisationRoutes } from './authorisations/public.ts';
import { cardRoutes } from './cards/public.ts';
import { ledgerRoutes } from './ledger/public.ts';
import { migrationRoutes } from './migrations/public.ts';

/** Every operation that clients of a cell reach; what is not here is closed to them. */
export const publicOperations: readonly RoutedOperation[] = [
  ...cardRoutes,
  ...ledgerRoutes,
  ...authorisationRoutes,
  ...migrationRoutes,
];
