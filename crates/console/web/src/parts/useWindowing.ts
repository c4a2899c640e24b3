import { type RefObject, useLayoutEffect, useState } from 'react';

const OVERSCAN = 10;
const FIRST_ROWS = 40;

interface Range {
  start: number;
  end: number;
  rowHeight: number;
}

/**
 * Which rows of a list of fixed row height are in the window, and some beyond. The page scrolls, not the list.
 * The height is measured on a row that is drawn (`data-row`), as it follows the reader's font size.
 */
export function useWindowing(body: RefObject<HTMLElement | null>, rows: number): Range {
  const [range, setRange] = useState<Range>({ start: 0, end: Math.min(rows, FIRST_ROWS), rowHeight: 0 });
  useLayoutEffect(() => {
    let frame = 0;
    function measure() {
      frame = 0;
      const node = body.current;
      if (!node) return;
      const rowHeight = node.querySelector('[data-row]')?.getBoundingClientRect().height ?? 0;
      if (rowHeight === 0) {
        setRange({ start: 0, end: Math.min(rows, FIRST_ROWS), rowHeight: 0 });
        return;
      }
      const above = -node.getBoundingClientRect().top;
      const first = Math.floor(above / rowHeight) - OVERSCAN;
      const start = Math.max(0, Math.min(first, rows - 1));
      const end = Math.min(rows, start + Math.ceil(innerHeight / rowHeight) + 2 * OVERSCAN);
      setRange((was) =>
        was.start === start && was.end === end && was.rowHeight === rowHeight
          ? was
          : { start, end, rowHeight },
      );
    }
    const ask = () => {
      if (frame === 0) frame = requestAnimationFrame(measure);
    };
    measure();
    addEventListener('scroll', ask, { passive: true, capture: true });
    addEventListener('resize', ask);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener('scroll', ask, { capture: true });
      removeEventListener('resize', ask);
    };
  }, [body, rows]);
  return range.end > rows ? { ...range, start: Math.min(range.start, rows), end: rows } : range;
}
