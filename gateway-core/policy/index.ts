export { type Decider, decideAdmin, decider, type PolicyConnection, permitOf } from './decide.js';
export { type CompiledPolicies, loadPolicyEngine, type PolicyEngine } from './engine.js';
