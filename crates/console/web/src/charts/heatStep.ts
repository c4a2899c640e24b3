const STEPS = [0.12, 0.21, 0.3, 0.43, 0.52, 0.7, 0.9];

/** Which of the eight steps of heat a value has, beside the greatest. */
export function heatStep(value: number, max: number): number {
  return value <= 0 ? 0 : STEPS.filter((step) => value / max >= step).length;
}
