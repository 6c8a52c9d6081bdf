import { type CSSVariablesResolver, createTheme } from '@mantine/core';

/** Inter and JetBrains Mono come with the app: nothing is asked from a network. */
const sans = "'Inter Variable', system-ui, sans-serif";
const mono = "'JetBrains Mono Variable', ui-monospace, monospace";

/** A dense workbench: 13 px text on a grid of four, small radii, one accent. */
export const theme = createTheme({
  fontFamily: sans,
  fontFamilyMonospace: mono,
  primaryColor: 'teal',
  // The one shade on which white text has a contrast of 5:1.
  primaryShade: 9,
  colors: {
    // From text to the deepest surface: the greys of the variables below, so that every control has them.
    dark: [
      '#dde3ea',
      '#b9c1ca',
      '#9fa9b5',
      '#8b96a3',
      '#3a424b',
      '#272c33',
      '#1d2126',
      '#15181c',
      '#111417',
      '#0b0d0f',
    ],
  },
  defaultRadius: 4,
  fontSizes: { xs: '12px', sm: '13px', md: '14px', lg: '16px', xl: '20px' },
  spacing: { xs: '6px', sm: '8px', md: '12px', lg: '16px', xl: '24px' },
  headings: { fontFamily: sans, fontWeight: '600' },
  cursorType: 'pointer',
  respectReducedMotion: true,
});

/** What Mantine has no name for. Both sets meet WCAG AA for text on every surface they are used on. */
export const variables: CSSVariablesResolver = () => ({
  variables: {
    '--tl-row': '28px',
    // Darker, not lighter, so that the white text on it keeps its contrast.
    '--mantine-color-teal-filled-hover': '#076b4d',
    '--mantine-primary-color-filled-hover': '#076b4d',
    '--mantine-color-red-filled-hover': '#a61e1e',
  },
  light: {
    '--mantine-color-body': '#ffffff',
    '--mantine-color-text': '#1d2125',
    '--mantine-color-dimmed': '#5a6470',
    '--mantine-color-placeholder': '#69737f',
    '--mantine-color-default-border': '#d9dee4',
    '--tl-surface': '#f4f6f8',
    '--tl-raised': '#ffffff',
    '--tl-rail': '#e9edf1',
    '--tl-hover': '#e9edf1',
    '--tl-chosen': '#d3efe8',
    '--tl-border': '#d9dee4',
    '--tl-accent': '#0b7a63',
    '--tl-good': '#19703a',
    '--tl-bad': '#b3261e',
    '--tl-wait': '#8a5300',
    '--tl-hatch': 'rgba(60, 80, 100, 0.16)',
  },
  dark: {
    '--mantine-color-body': '#15181c',
    '--mantine-color-text': '#dde3ea',
    '--mantine-color-dimmed': '#9fa9b5',
    '--mantine-color-placeholder': '#8b96a3',
    '--mantine-color-default': '#1d2126',
    '--mantine-color-default-hover': '#272c33',
    '--mantine-color-default-border': '#30363e',
    '--tl-surface': '#1b1f24',
    '--tl-raised': '#20252b',
    '--tl-rail': '#111417',
    '--tl-hover': '#272c33',
    '--tl-chosen': '#163d37',
    '--tl-border': '#30363e',
    '--tl-accent': '#35c3a3',
    '--tl-good': '#6fd08c',
    '--tl-bad': '#ff8a80',
    '--tl-wait': '#f0b95a',
    '--tl-hatch': 'rgba(190, 205, 220, 0.16)',
  },
});
