import type { ServiceDeclaration } from '#declare/service.ts';
import { access } from './access/service.ts';
import { audit } from './audit/service.ts';
import { authorisations } from './authorisations/service.ts';
import { cardholders } from './cardholders/service.ts';
import { cards } from './cards/service.ts';
import { ledger } from './ledger/service.ts';
import { migrations } from './migrations/service.ts';

/** Every service of a cell, in the order in which their schemas are made. */
export const services: readonly ServiceDeclaration[] = [
  cardholders,
  cards,
  ledger,
  authorisations,
  migrations,
  audit,
  access,
];
