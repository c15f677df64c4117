// The theme that was chosen on an earlier visit, before the first paint: a module would come too late and flash. See src/demo/theme.ts.
try {
  const theme = JSON.parse(localStorage.getItem('webmla.theme') ?? 'null');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage is refused or holds nonsense: the system's theme it is.
}
