/**
 * The shape of the many rows that one bulk operation takes. Rows travel as columns, because a column of
 * four thousand values is one parameter of one SQL statement.
 */
export type ColumnType = 'uuid' | 'bytes' | 'text' | 'bool' | 'int2' | 'int4' | 'int8' | 'date' | 'timestamp';

export interface Column {
  readonly type: ColumnType;
  readonly nullable: boolean;
}

export type Columns = Readonly<Record<string, Column>>;

const column = (type: ColumnType) => ({ type, nullable: false, orNull: { type, nullable: true } }) as const;

export const uuid = column('uuid');
export const bytes = column('bytes');
export const text = column('text');
export const bool = column('bool');
export const int2 = column('int2');
export const int4 = column('int4');
export const int8 = column('int8');
export const date = column('date');
export const timestamp = column('timestamp');
