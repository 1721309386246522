/** A shop and its bank. */
export interface Merchant {
  /** Field 18. */
  readonly category: string;
  /** Field 41. */
  readonly terminal: string;
  /** Field 42. */
  readonly id: string;
  /** Field 43: 23 characters of name, 15 of town, 2 of country. */
  readonly place: string;
  /** Field 32. */
  readonly acquirer: string;
  /** It takes money at once (0200) where others reserve first. */
  readonly takesAtOnce: boolean;
}

const shops: readonly (readonly [name: string, town: string, country: string, category: string])[] = [
  ['SUPERMERCADO 12', 'LIMA', 'PE', '5411'],
  ['BODEGA EL SOL', 'AREQUIPA', 'PE', '5411'],
  ['GRIFO SAN JOSE', 'CUSCO', 'PE', '5541'],
  ['FARMACIA NANA', 'TRUJILLO', 'PE', '5912'],
  ['HOTEL MIRADOR', 'CUSCO', 'PE', '7011'],
  ['RESTAURANTE LA MAR', 'LIMA', 'PE', '5812'],
  ['AEROLINEA ANDINA', 'LIMA', 'PE', '4511'],
  ['LIBRERIA EL VIRREY', 'LIMA', 'PE', '5942'],
  ['CAFE DE LA PAZ', 'LA PAZ', 'BO', '5814'],
  ['TIENDA EN LINEA', 'SANTIAGO', 'CL', '5999'],
  ['CAJERO PLAZA', 'LIMA', 'PE', '6011'],
  ['METRO LINEA 1', 'LIMA', 'PE', '4111'],
];

const ACQUIRERS = ['411101', '520044', '00411107', '52004410001'];
const AT_ONCE = ['6011', '4111'];

export const merchants: readonly Merchant[] = shops.map(([name, town, country, category], i) => ({
  category,
  terminal: `T${String(1000 + i * 7).padStart(7, '0')}`,
  id: `M${String(20_260_000 + i * 13).padStart(14, '0')}`,
  place: name.padEnd(23) + town.padEnd(15) + country,
  acquirer: ACQUIRERS[i % ACQUIRERS.length],
  takesAtOnce: AT_ONCE.includes(category),
}));
