export { type Decider, decideAdmin, decider, permitOf } from './decide.js';
export { type CompiledPolicies, loadPolicyEngine, type PolicyEngine } from './engine.js';
