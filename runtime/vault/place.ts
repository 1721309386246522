const ID_BYTES = 16;
const PAN_MARK = 'n'.charCodeAt(0);
const PIN_MARK = 'p'.charCodeAt(0);

/** Where a sealed value belongs: which field of which card. A value laid into another row does not open. */
export function placeOfField(field: 'pan' | 'pin', cardIds: Buffer, at: number): Buffer {
  const place = Buffer.allocUnsafe(1 + ID_BYTES);
  place[0] = field === 'pan' ? PAN_MARK : PIN_MARK;
  cardIds.copy(place, 1, at, at + ID_BYTES);
  return place;
}
