/** A copy with room for `size` numbers. */
export function grown<Values extends Uint8Array | Int32Array | Float64Array>(
  values: Values,
  size: number,
): Values {
  const larger = new (values.constructor as new (size: number) => Values)(size);
  larger.set(values);
  return larger;
}
