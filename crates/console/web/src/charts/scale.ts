/** A round step so that about `marks` of them fill a range: 1, 2 or 5 times a power of ten. */
export function niceStep(range: number, marks: number): number {
  if (range <= 0) return 1;
  const raw = range / marks;
  const power = 10 ** Math.floor(Math.log10(raw));
  const steps = [1, 2, 5, 10];
  return (steps.find((step) => step * power >= raw * 0.8) ?? 10) * power;
}

/** The height of a bar: in proportion, and never under `least` where there is something to see. */
export function barHeight(value: number, max: number, height: number, least = 2): number {
  if (value <= 0 || max <= 0) return 0;
  return Math.max(least, Math.round((value / max) * height));
}
