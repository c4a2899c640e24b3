import { type RefObject, useEffect, useLayoutEffect } from 'react';

const GAP = 4;
const EDGE = 8;

interface Float {
  open: boolean;
  /** What it hangs at. */
  anchor: RefObject<HTMLElement | null>;
  /** What floats; an element with `popover="manual"`, in the document while it is open. */
  panel: RefObject<HTMLElement | null>;
  align?: 'start' | 'end';
  /** As wide as the anchor at least. */
  wide?: boolean;
  onClose: () => void;
}

/** Shows a panel in the top layer at its anchor, keeps it there, and closes it when the user turns elsewhere. */
export function useFloat({ open, anchor, panel, align = 'start', wide, onClose }: Float): void {
  useLayoutEffect(() => {
    const floating = panel.current;
    const at = anchor.current;
    if (!open || !floating || !at) return;
    floating.showPopover();
    const put = () => place(at, floating, align, wide);
    put();
    addEventListener('scroll', put, { capture: true, passive: true });
    addEventListener('resize', put);
    return () => {
      removeEventListener('scroll', put, { capture: true });
      removeEventListener('resize', put);
    };
  }, [open, anchor, panel, align, wide]);

  useEffect(() => {
    if (!open) return;
    const inside = (target: EventTarget | null) =>
      target instanceof Node && (panel.current?.contains(target) || anchor.current?.contains(target));
    const turn = (event: Event) => {
      if (!inside(event.target)) onClose();
    };
    document.addEventListener('pointerdown', turn, true);
    document.addEventListener('focusin', turn);
    return () => {
      document.removeEventListener('pointerdown', turn, true);
      document.removeEventListener('focusin', turn);
    };
  }, [open, anchor, panel, onClose]);
}

/** Below the anchor, or above it where there is more room; never past the edge of the window. */
function place(
  anchor: HTMLElement,
  floating: HTMLElement,
  align: 'start' | 'end',
  wide: boolean | undefined,
) {
  const at = anchor.getBoundingClientRect();
  if (wide) floating.style.setProperty('min-width', `${at.width}px`);
  const { offsetWidth: width, offsetHeight: height } = floating;
  const rightToLeft = getComputedStyle(anchor).direction === 'rtl';
  const fromLeft = (align === 'start') !== rightToLeft;
  const left = fromLeft ? at.left : at.right - width;
  const below = innerHeight - at.bottom - GAP - EDGE;
  const top = height <= below || below >= at.top ? at.bottom + GAP : at.top - GAP - height;
  floating.style.setProperty('left', `${Math.max(EDGE, Math.min(left, innerWidth - width - EDGE))}px`);
  floating.style.setProperty('top', `${Math.max(EDGE, top)}px`);
}
