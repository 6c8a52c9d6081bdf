/** The people of the demo, and what the demo identity provider says of them. */
export interface DemoAccount {
  readonly sub: string;
  readonly name: string;
  readonly email: string;
  readonly email_verified: boolean;
  readonly groups: readonly string[];
  readonly [claim: string]: unknown;
}

/** The password of every demo account: a demo proves nothing about who sits at the keyboard, and says so. */
export const demoPassword = 'demo';

function account(sub: string, name: string, groups: readonly string[]): DemoAccount {
  return { sub, name, email: `${sub}@demo.example`, email_verified: true, groups };
}

export const demoAccounts: Readonly<Record<string, DemoAccount>> = {
  contractor: account('contractor', 'Casey Contractor', ['contractors']),
  engineer: account('engineer', 'Erin Engineer', ['engineers']),
  approver: account('approver', 'Ash Approver', ['engineers', 'dba']),
  admin: account('admin', 'Ada Admin', ['admin']),
  auditor: account('auditor', 'Aude Auditor', ['auditors']),
};
