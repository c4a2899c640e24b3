// Before the first paint, so that a dark page never flashes light: the reader's choice, or else the system's.

{
  let theme = null;
  try {
    theme = JSON.parse(localStorage.getItem('trigrun.prefs') ?? '{}').theme;
  } catch {
    // Without storage there is no choice to keep.
  }
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
}
