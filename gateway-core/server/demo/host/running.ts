/** An SSH server of the demo, whichever it is. */
export interface RunningHost {
  /** 127.0.0.1:PORT. */
  readonly address: string;
  /** It has ended by itself. */
  isOver(): boolean;
  stop(): Promise<void>;
}
