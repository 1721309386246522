/** Word lists. Everything is already CSV text: what needs quotes has them. */

const words = (list: string): string[] => list.trim().split(/\s+/);

export const givenNames = words(`
  Alejandra Álvaro Ana Andrés Ángela Beatriz Camila Carlos Cecilia César Diego Elena Esteban Fátima Gonzalo
  Inés Íngrid Joaquín Jorge José Julián Killa Lucía Luis Martín María Mateo Miguel Mónica Ñusta Óscar Raúl
  Renzo Rocío Rosa Sebastián Sofía Túpac Úrsula Valentina Wayra Ximena Yma Zoë`);

export const familyNames = words(`
  Aguilar Álvarez Apaza Ávila Becerra Cáceres Castañeda Ccori Chávez Choquehuanca Condori Cárdenas Díaz
  Espinoza Fernández Flores García Gutiérrez Güell Huamán Ibáñez Jiménez León López Mamani Martínez Medina
  Muñoz Núñez Ordóñez Paredes Peña Pérez Quispe Ramírez Ríos Rojas Salas Sánchez Torres Ugarte Vargas
  Vásquez Vilcapaza Yupanqui Zúñiga D'Angelo O'Higgins`);

export const givenCapitals = givenNames.map((name) => name.toUpperCase());
export const familyCapitals = familyNames.map((name) => name.toUpperCase());

/** `#` stands for a house number. */
export const streets = [
  '"Av. Larco #, Dpto. 12"',
  '"Jr. ""La Unión"" #"',
  'Calle Los Álamos #',
  '"Mz. Ñ, Lote #, Urb. Santa Rosa"',
  'Psje. San Martín Nº #',
  '"Av. ""28 de Julio"", cuadra #"',
].map((street) => street.split('#'));

export const merchants: readonly (readonly [name: string, mcc: string])[] = [
  ['SUPERMERCADO 12', '5411'],
  ['"Bodega ""El Sol"", Lima"', '5411'],
  ['GRIFO SAN JOSÉ', '5541'],
  ['Farmacia Ñaña', '5912'],
  ['HOTEL MIRADOR – CUSCO', '7011'],
  ['"RESTAURANTE ""LA MAR"""', '5812'],
  ['AEROLÍNEA ANDINA', '4511'],
];

interface Country {
  readonly code: string;
  readonly dial: string;
  readonly cities: readonly string[];
  readonly documents: readonly string[];
}

const peru: Country = {
  code: 'PE',
  dial: '+519',
  cities: ['Lima', 'Arequipa', 'Cusco', 'Trujillo', 'Chiclayo', 'Iquitos', 'Huancayo'],
  documents: ['dni', 'dni', 'dni', 'dni', 'dni', 'ce', 'passport', 'ruc'],
};

/** Four of five holders live in Peru. */
export const countries: readonly Country[] = [
  ...Array.from({ length: 20 }, () => peru),
  { code: 'CO', dial: '+573', cities: ['Bogotá', 'Medellín', 'Cali'], documents: ['cc', 'passport'] },
  { code: 'AR', dial: '+549', cities: ['Córdoba', 'Rosario'], documents: ['cuit', 'other'] },
  { code: 'CL', dial: '+569', cities: ['Valparaíso', 'Concepción'], documents: ['rut'] },
  { code: 'MX', dial: '+525', cities: ['Mérida', 'León'], documents: ['curp', 'passport'] },
  { code: 'BR', dial: '+551', cities: ['São Paulo', 'Brasília'], documents: ['cpf'] },
];
