import type { Columns } from './columns.ts';
import type { ErrorTable } from './errors.ts';
import type { Settings } from './setting.ts';

/**
 * What the data of a service is, which decides where it may run and who may read it.
 * `cardholder-data` marks the PCI zone: only there may a card number exist in the clear, in memory.
 * `credentials` are what clients prove themselves with; it is outside the PCI zone and reads no data keys.
 */
export type DataClass = 'cardholder-data' | 'personal-data' | 'financial-data' | 'credentials';

/** One operation: what it does, who may call it and the rows it takes. Types travel with it, unseen at run time. */
export interface Operation<Input = unknown, Reply = unknown> {
  readonly text: string;
  /**
   * Who may call it: names of services, and `gateway` for what clients of the cell may, by a route in the service's
   * `public.ts`. An operation without callers is closed to all.
   */
  readonly callers: readonly string[];
  readonly rows?: Columns;
  /** How a repeated call is recognised; absent where nothing changes. */
  readonly idempotentBy?: string;
  readonly types?: { input: Input; reply: Reply };
}

export const operation = <Input, Reply>(declaration: Omit<Operation, 'types'>): Operation<Input, Reply> =>
  declaration;

export type Operations = Readonly<Record<string, Operation>>;

export interface Objective {
  readonly text: string;
  readonly target: string;
}

export interface ServiceDeclaration<O extends Operations = Operations, S extends Settings = Settings> {
  readonly name: string;
  readonly purpose: string;
  readonly data: DataClass;
  /** Its tables take new rows and nothing else: its role may not change or remove one, and a trigger refuses all others. */
  readonly appendOnly?: boolean;
  readonly operations: O;
  readonly errors: ErrorTable;
  readonly settings: S;
  /** What one more process relieves. */
  readonly scaling?: string;
  readonly objectives: readonly Objective[];
}

export const service = <O extends Operations, S extends Settings = Settings>(
  name: string,
  declaration: Omit<ServiceDeclaration<O, S>, 'name'>,
): ServiceDeclaration<O, S> => ({ name, ...declaration });

type InputOf<Op> = Op extends { readonly types?: { input: infer Input } } ? Input : never;
type ReplyOf<Op> = Op extends { readonly types?: { reply: infer Reply } } ? Reply : never;

/** What a caller of the service holds: one function per operation. */
export type Client<S extends ServiceDeclaration> = {
  readonly [Name in keyof S['operations']]: (
    input: InputOf<S['operations'][Name]>,
  ) => Promise<ReplyOf<S['operations'][Name]>>;
};
