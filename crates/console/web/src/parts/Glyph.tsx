import type { ReactNode } from 'react';
import './Status.css';

/* Each outcome has a silhouette of its own, so that it reads without colour. */
const SHAPES = {
  ok: (
    <>
      <circle cx="7" cy="7" r="6" fill="currentColor" />
      <path d="M4.3 7.2l1.9 1.9 3.5-3.9" fill="none" stroke="var(--canvas)" strokeWidth="1.5" />
    </>
  ),
  bad: (
    <>
      <path d="M4.5 1h5L13 4.5v5L9.5 13h-5L1 9.5v-5z" fill="currentColor" />
      <path d="M4.9 4.9l4.2 4.2M9.1 4.9L4.9 9.1" fill="none" stroke="var(--canvas)" strokeWidth="1.5" />
    </>
  ),
  warn: (
    <>
      <path d="M7 1.1l6.2 11.4H.8z" fill="currentColor" />
      <path d="M7 5v3.4M7 10.3v.2" fill="none" stroke="var(--canvas)" strokeWidth="1.5" />
    </>
  ),
  retry: (
    <g fill="none" stroke="currentColor" strokeWidth="1.6">
      <path d="M2 7a5 5 0 1 0 1.6-3.7M3.4 1v2.6H6" />
    </g>
  ),
  run: (
    <>
      <circle cx="7" cy="7" r="5.2" fill="none" stroke="currentColor" strokeWidth="1.6" opacity=".35" />
      <path d="M7 1.8A5.2 5.2 0 0 1 12.2 7" fill="none" stroke="currentColor" strokeWidth="1.6" />
    </>
  ),
  queue: (
    <circle
      cx="7"
      cy="7"
      r="5.2"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.6"
      strokeDasharray="2 2.08"
    />
  ),
  skip: (
    <>
      <circle cx="7" cy="7" r="5.2" fill="none" stroke="currentColor" strokeWidth="1.6" />
      <path d="M4.6 7h4.8" stroke="currentColor" strokeWidth="1.6" />
    </>
  ),
  cancel: (
    <>
      <circle cx="7" cy="7" r="5.2" fill="none" stroke="currentColor" strokeWidth="1.6" />
      <path d="M3.5 10.5l7-7" stroke="currentColor" strokeWidth="1.6" />
    </>
  ),
  pause: (
    <>
      <circle cx="7" cy="7" r="6" fill="currentColor" />
      <path d="M5.3 4.7v4.6M8.7 4.7v4.6" stroke="var(--canvas)" strokeWidth="1.5" />
    </>
  ),
  draft: (
    <circle
      cx="7"
      cy="7"
      r="5.2"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.6"
      strokeDasharray="3 2.44"
    />
  ),
  done: (
    <>
      <circle cx="7" cy="7" r="5.2" fill="none" stroke="currentColor" strokeWidth="1.6" />
      <path d="M4.6 7.2l1.7 1.7 3.1-3.5" fill="none" stroke="currentColor" strokeWidth="1.5" />
    </>
  ),
  plan: (
    <>
      <circle cx="7" cy="7" r="5.2" fill="none" stroke="currentColor" strokeWidth="1.6" />
      <circle cx="7" cy="7" r="2" fill="currentColor" />
    </>
  ),
} satisfies Record<string, ReactNode>;

export type GlyphName = keyof typeof SHAPES;

/** The colour of a glyph and of the words beside it. */
export type Tone = 'ok' | 'bad' | 'warn' | 'retry' | 'run' | 'plan' | 'off';

const TONES: Record<GlyphName, Tone> = {
  ok: 'ok',
  bad: 'bad',
  warn: 'warn',
  retry: 'retry',
  run: 'run',
  queue: 'off',
  skip: 'off',
  cancel: 'off',
  pause: 'off',
  draft: 'off',
  done: 'off',
  plan: 'plan',
};

/** The tone that a glyph has unless its user says otherwise. */
export function toneOf(name: GlyphName): Tone {
  return TONES[name];
}

/** The shape of an outcome. Without `label` it is hidden from assistive technology. */
export function Glyph({ name, size = 14, label }: { name: GlyphName; size?: number; label?: string }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 14 14"
      className={`g-${TONES[name]}${name === 'run' ? ' turning' : ''}`}
      role={label ? 'img' : undefined}
      aria-label={label}
      aria-hidden={label ? undefined : true}
    >
      <g strokeLinecap="round" strokeLinejoin="round">
        {SHAPES[name]}
      </g>
    </svg>
  );
}
