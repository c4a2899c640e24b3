import type { ReactNode } from 'react';

/* Drawn on 16 × 16, in one line width. */
const SHAPES = {
  overview: <path d="M1.75 8.5h2.9l2-5.25 3 9.5 1.9-4.25h2.7" />,
  jobs: (
    <>
      <circle cx="8" cy="8" r="5.75" />
      <path d="M8 4.9V8l2.1 1.5" />
    </>
  ),
  runs: (
    <>
      <path d="M6.5 4h7M6.5 8h7M6.5 12h7" />
      <path d="M2.2 4l.9.9 1.5-1.7M2.2 8l.9.9 1.5-1.7M2.2 12l.9.9 1.5-1.7" />
    </>
  ),
  radar: (
    <>
      <rect x="2.25" y="2.25" width="4.75" height="4.75" rx="1" />
      <rect x="9" y="2.25" width="4.75" height="4.75" rx="1" fill="currentColor" />
      <rect x="2.25" y="9" width="4.75" height="4.75" rx="1" />
      <rect x="9" y="9" width="4.75" height="4.75" rx="1" />
    </>
  ),
  hosts: (
    <>
      <circle cx="8" cy="8" r="5.75" />
      <path d="M2.3 8h11.4M8 2.25c1.7 1.6 2.5 3.5 2.5 5.75S9.7 12.15 8 13.75C6.3 12.15 5.5 10.25 5.5 8S6.3 3.85 8 2.25z" />
    </>
  ),
  key: (
    <>
      <circle cx="5.25" cy="10.75" r="3" />
      <path d="M7.5 8.5l5.75-5.75M10.75 5.25l2 2" />
    </>
  ),
  bell: <path d="M4 10.8V7a4 4 0 0 1 8 0v3.8l1.1 1.7H2.9zM6.6 14.2h2.8" />,
  calendar: (
    <>
      <rect x="2.25" y="3.25" width="11.5" height="10.5" rx="1.5" />
      <path d="M2.25 6.5h11.5M5.25 1.75v3M10.75 1.75v3" />
    </>
  ),
  code: <path d="M5.5 4.5L2 8l3.5 3.5M10.5 4.5L14 8l-3.5 3.5" />,
  people: (
    <>
      <circle cx="6" cy="5.25" r="2.5" />
      <path d="M1.75 13.25c0-2.5 1.9-4 4.25-4s4.25 1.5 4.25 4M10.6 3a2.5 2.5 0 0 1 0 4.5M12 9.7c1.4.6 2.25 1.8 2.25 3.55" />
    </>
  ),
  audit: <path d="M3.75 2.25h5.9l2.6 2.6v8.9h-8.5zM6 7.25h4M6 10h4" />,
  gauge: <path d="M2.6 12a6 6 0 1 1 10.8 0M8 10.5l2.6-3.6" />,
  sliders: (
    <>
      <path d="M2.5 5h5.3M11.2 5h2.3M2.5 11h2.3M8.2 11h5.3" />
      <circle cx="9.5" cy="5" r="1.6" />
      <circle cx="6.5" cy="11" r="1.6" />
    </>
  ),
  search: (
    <>
      <circle cx="7" cy="7" r="4.4" />
      <path d="M10.3 10.3l3.4 3.4" />
    </>
  ),
  plus: <path d="M8 3v10M3 8h10" />,
  down: <path d="M4.5 6.3L8 9.8l3.5-3.5" />,
  right: <path d="M6.3 4.5L9.8 8l-3.5 3.5" />,
  left: <path d="M9.8 4.5L6.3 8l3.5 3.5" />,
  updown: <path d="M5 6l3-3 3 3M5 10l3 3 3-3" />,
  check: <path d="M3.2 8.4l3.1 3.1 6.5-7" />,
  x: <path d="M4.25 4.25l7.5 7.5M11.75 4.25l-7.5 7.5" />,
  more: (
    <g fill="currentColor" stroke="none">
      <circle cx="3.5" cy="8" r="1.25" />
      <circle cx="8" cy="8" r="1.25" />
      <circle cx="12.5" cy="8" r="1.25" />
    </g>
  ),
  copy: (
    <>
      <rect x="5.75" y="5.75" width="8" height="8" rx="1.5" />
      <path d="M10.25 5.5V3.75a1.5 1.5 0 0 0-1.5-1.5h-5a1.5 1.5 0 0 0-1.5 1.5v5a1.5 1.5 0 0 0 1.5 1.5H5.5" />
    </>
  ),
  pause: <path d="M5.5 3.5v9M10.5 3.5v9" />,
  play: <path d="M4.75 3.2l8 4.8-8 4.8z" />,
  replay: <path d="M2.75 8A5.25 5.25 0 1 0 4.6 4M4.6 1.6V4.2h2.6" />,
  edit: <path d="M2.75 13.25l.75-3 7.2-7.2a1.2 1.2 0 0 1 1.7 0l.55.55a1.2 1.2 0 0 1 0 1.7l-7.2 7.2z" />,
  filter: <path d="M2.25 4h11.5M4.5 8h7M6.75 12h2.5" />,
  sort: <path d="M4.5 3v10M2.25 10.75L4.5 13l2.25-2.25M8.5 4h5.25M8.5 8h4M8.5 12h2.5" />,
  sun: (
    <>
      <circle cx="8" cy="8" r="2.75" />
      <path d="M8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9" />
    </>
  ),
  shield: (
    <>
      <path d="M8 1.9l5 1.9v3.9c0 3-2.1 5.2-5 6.4-2.9-1.2-5-3.4-5-6.4V3.8z" />
      <path d="M5.7 8l1.7 1.7 3-3.3" />
    </>
  ),
  help: (
    <>
      <circle cx="8" cy="8" r="5.75" />
      <path d="M6.3 6.4a1.75 1.75 0 1 1 2.5 1.6c-.55.25-.8.6-.8 1.15M8 11.2v.1" />
    </>
  ),
  trash: <path d="M2.75 4.25h10.5M6 4V2.5h4V4M4.25 4.5l.6 9h6.3l.6-9" />,
  tag: <path d="M2.25 2.75h5l6.5 6.5-4.5 4.5-6.5-6.5h-.5zM5 5.5v.1" />,
  lock: (
    <>
      <rect x="3.25" y="7" width="9.5" height="6.75" rx="1.25" />
      <path d="M5.25 7V5a2.75 2.75 0 0 1 5.5 0v2" />
    </>
  ),
  bolt: <path d="M8.9 1.9L3.6 9h3.6l-.6 5.1L12.4 7H8.7z" />,
  menu: <path d="M2.25 4.5h11.5M2.25 8h11.5M2.25 11.5h11.5" />,
  spread: <path d="M2 8h12M4.5 5.5L2 8l2.5 2.5M11.5 5.5L14 8l-2.5 2.5M8 3.5v9" />,
  doc: <path d="M3.75 2.25h5.9l2.6 2.6v8.9h-8.5z" />,
  warning: <path d="M8 2.4l6 10.9H2zM8 6.6v3.1M8 11.5v.1" />,
  link: (
    <path d="M9.5 2.75h3.75V6.5M13 3L7.75 8.25M11.75 9.5v2.75a1 1 0 0 1-1 1h-7a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1H6.5" />
  ),
  logout: <path d="M6.5 2.75h-3.75v10.5H6.5M10 5l3 3-3 3M13 8H6.25" />,
  download: <path d="M8 2.5v7.5M5 7.2l3 3 3-3M2.75 13.25h10.5" />,
  moon: <path d="M13.2 9.6A5.6 5.6 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8z" />,
  screen: (
    <>
      <rect x="1.75" y="2.75" width="12.5" height="8.5" rx="1.25" />
      <path d="M5.5 13.75h5M8 11.25v2.5" />
    </>
  ),
  up: <path d="M4.5 9.7L8 6.2l3.5 3.5" />,
  minus: <path d="M3 8h10" />,
  eye: (
    <>
      <path d="M1.5 8S4 3.75 8 3.75 14.5 8 14.5 8 12 12.25 8 12.25 1.5 8 1.5 8z" />
      <circle cx="8" cy="8" r="1.9" />
    </>
  ),
} satisfies Record<string, ReactNode>;

export type IconName = keyof typeof SHAPES;

/** An icon beside words. It is hidden from assistive technology: the words say what it means. */
export function Icon({ name, size = 14 }: { name: IconName; size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 16 16" aria-hidden="true">
      <g fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" strokeLinejoin="round">
        {SHAPES[name]}
      </g>
    </svg>
  );
}

/** The product's mark, as the side shows it. */
export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 16 16" aria-hidden="true">
      <g fill="currentColor">
        <rect x="1" y="7" width="2" height="6" rx="1" opacity=".55" />
        <rect x="4.5" y="7" width="2" height="6" rx="1" opacity=".55" />
        <rect x="8" y="2" width="2" height="11" rx="1" />
        <rect x="11.5" y="7" width="2" height="6" rx="1" opacity=".55" />
      </g>
    </svg>
  );
}
