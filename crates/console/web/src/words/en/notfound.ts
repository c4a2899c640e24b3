export const words = {
  title: 'Page not found',
  why: 'There is no page at this address. It may have been mistyped.',
  back: 'Go back',
  home: 'Overview',
};
