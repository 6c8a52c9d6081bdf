/**
 * What policies may speak about, as a Cedar schema: a policy that names anything else is refused when it is put,
 * not found out when it is needed. Documented for authors in the README.
 */
export const cedarSchema = `
entity Group;
entity Label;
entity Gateway;
entity User in [Group] = { name: String };
entity Agent = { name: String, kind: String, assurance: String };
entity Connection in [Label] = { name: String, protocol: String };

type Chain = { depth: Long, assurance: String, agents: Set<String>, lineage: String, credential: String };
type Statement = {
  command: String,
  tables: Set<String>,
  writes: Set<String>,
  functions: Set<String>,
  masked: Set<String>,
};
type Command = {
  programs: Set<String>,
  paths: Set<String>,
  writes: Set<String>,
  writesUnknown: Bool,
  elevated: Bool,
  unknown: Set<String>,
};
type File = { operation: String, path: String, to?: String };
type Forward = { direction: String, host: String, port: Long };
type Time = { hour: Long, minute: Long, weekday: Long };
type Device = { key: String };

action connect appliesTo {
  principal: [User, Agent], resource: [Connection],
  context: { chain: Chain, time: Time, device?: Device }
};
action "sql:read", "sql:write", "sql:ddl", "sql:admin" appliesTo {
  principal: [User, Agent], resource: [Connection],
  context: { chain: Chain, time: Time, device?: Device, statement: Statement }
};
action "ssh:shell" appliesTo {
  principal: [User, Agent], resource: [Connection],
  context: { chain: Chain, time: Time, device?: Device, command?: Command }
};
action "ssh:exec" appliesTo {
  principal: [User, Agent], resource: [Connection],
  context: { chain: Chain, time: Time, device?: Device, command: Command }
};
action "ssh:sftp" appliesTo {
  principal: [User, Agent], resource: [Connection],
  context: { chain: Chain, time: Time, device?: Device, file: File }
};
action "ssh:forward" appliesTo {
  principal: [User, Agent], resource: [Connection],
  context: { chain: Chain, time: Time, device?: Device, forward: Forward }
};
action "session:view", "session:replay", "session:revoke", "evidence:export" appliesTo {
  principal: [User, Agent], resource: [Connection],
  context: { chain: Chain, time: Time, device?: Device, session: { own: Bool } }
};
action "admin:connections", "admin:policies", "admin:people" appliesTo {
  principal: [User, Agent], resource: [Gateway],
  context: { chain: Chain, time: Time, device?: Device }
};
`;
