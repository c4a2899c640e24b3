import { useId } from 'react';

interface Props {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A hatched area: a wait, or an hour that does not exist. */
export function Hatched({ x, y, width, height }: Props) {
  const id = useId();
  return (
    <>
      <pattern id={id} width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
        <path className="c-hatch" d="M0 0v5" strokeWidth="2.5" />
      </pattern>
      <rect x={x} y={y} width={width} height={height} fill={`url(#${id})`} />
    </>
  );
}
