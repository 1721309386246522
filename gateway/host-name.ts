/** A name as the table holds it: lower case, no port, no dot at its end, no address. */
const NAME = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;
const HOST = /^([A-Za-z0-9.-]{1,253})(?::[0-9]{1,5})?$/;

export const isHostName = (text: string): boolean => NAME.test(text) && !/^[0-9.]+$/.test(text);

/** The name in a Host header; null where it is none. */
export function hostNameOf(header: string): string | null {
  const name = HOST.exec(header)?.[1].toLowerCase();
  return name !== undefined && isHostName(name) ? name : null;
}
