/** What a terminal tab knows of its screen, which is loaded when the first one is opened. */
export interface ScreenPort {
  attach(parent: HTMLElement): void;
  readonly size: { readonly columns: number; readonly rows: number };
  readonly selection: string;
  /** Resolves once it is on the screen. `muted`: nothing in it is answered to the target. */
  write(bytes: Uint8Array, muted: boolean): Promise<void>;
  /** A line across, in the app's own words, between what was before and what comes. */
  divide(text: string): void;
  paste(text: string): void;
  focus(): void;
  clear(): void;
  selectAll(): void;
  /** What is selected, with its colours. */
  html(): string;
  scroll(pages: number): void;
  find(text: string, options: FindOptions): boolean;
  endFind(): void;
  dispose(): void;
}

export interface FindOptions {
  readonly backwards?: boolean;
  readonly caseSensitive?: boolean;
  readonly wholeWord?: boolean;
  readonly regex?: boolean;
  /** Stay at what is found while the text is still typed. */
  readonly incremental?: boolean;
}

export interface ScreenEvents {
  input(text: string): void;
  /** One byte each character. */
  binary(text: string): void;
  paste(text: string): void;
  titled(text: string): void;
  bell(): void;
  resized(size: { readonly columns: number; readonly rows: number }): void;
  selected(text: string): void;
  link(text: string): void;
  menu(at: { readonly x: number; readonly y: number }): void;
  clipboardRefused(): void;
  found(index: number, count: number): void;
}
