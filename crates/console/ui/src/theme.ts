// Dark or light: the system's wish until the operator chooses.

import type { Theme } from './looks'

const KEY = 'waygate.theme'
/** What the browser paints its own bar with; the colour of ours. */
const BARS: Record<Theme, string> = { dark: '#11171d', light: '#ffffff' }

const system = matchMedia('(prefers-color-scheme: dark)')

function chosen(): Theme | null {
  try {
    const kept = localStorage.getItem(KEY)
    return kept === 'dark' || kept === 'light' ? kept : null
  } catch {
    return null
  }
}

export function currentTheme(): Theme {
  return chosen() ?? (system.matches ? 'dark' : 'light')
}

/** Chooses the other theme; the choice is forgotten when it is what the system wishes anyway. */
export function toggleTheme(): void {
  const next: Theme = currentTheme() === 'dark' ? 'light' : 'dark'
  try {
    if ((next === 'dark') === system.matches) localStorage.removeItem(KEY)
    else localStorage.setItem(KEY, next)
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the page.
  }
  apply(next)
}

let listener: (theme: Theme) => void = () => {}

function apply(theme: Theme): void {
  document.documentElement.dataset.theme = theme
  for (const meta of document.querySelectorAll<HTMLMetaElement>('meta[name=theme-color]')) meta.content = BARS[theme]
  listener(theme)
}

/** Applies the theme now and tells of every later change. */
export function watchTheme(changed: (theme: Theme) => void): void {
  listener = changed
  system.addEventListener('change', () => apply(currentTheme()))
  apply(currentTheme())
}
