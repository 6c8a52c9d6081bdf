/** One thing that can be put at the cursor. */
export interface Item {
  readonly label: string;
  readonly insert: string;
  /** `insert` holds `$0` where the cursor goes. */
  readonly snippet?: boolean;
  readonly kind:
    | 'table'
    | 'view'
    | 'column'
    | 'function'
    | 'keyword'
    | 'schema'
    | 'alias'
    | 'type'
    | 'join'
    | 'snippet';
  readonly detail?: string;
  /** The rule that masks it. */
  readonly mask?: string;
  /** Lower comes first. */
  readonly rank: number;
}
