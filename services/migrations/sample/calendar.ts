const DAY_MS = 86_400_000;

const twoDigits = (value: number): string => String(value).padStart(2, '0');

/** Every date of some years up to a last day, as text: a look-up is far cheaper than formatting a date. */
export function daysFrom(firstYear: number, last: string): string[] {
  const days: string[] = [];
  for (let month = 0; ; month++) {
    const year = firstYear + Math.floor(month / 12);
    const prefix = `${year}-${twoDigits((month % 12) + 1)}-`;
    const length = new Date(Date.UTC(firstYear, month + 1, 0)).getUTCDate();
    for (let day = 1; day <= length; day++) {
      const text = prefix + twoDigits(day);
      if (text > last) return days;
      days.push(text);
    }
  }
}

export const daysAfter = (day: string, days: number): string =>
  new Date(Date.parse(`${day}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10);

/** `YYMM` of the months from `first` to `last`, counted from the month of `day`. */
export function monthsAround(day: string, first: number, last: number): string[] {
  const month0 = Number(day.slice(0, 4)) * 12 + Number(day.slice(5, 7)) - 1;
  return Array.from({ length: last - first + 1 }, (_, i) => {
    const month = month0 + first + i;
    return twoDigits(Math.floor(month / 12) % 100) + twoDigits((month % 12) + 1);
  });
}
