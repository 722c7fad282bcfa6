/** Tells the agent's program that it is to check members (probe-process.ts); an argument would have to pass the command line of `ottavia`. */
export const PROBE_VARIABLE = 'OTTAVIA_AGENT_PROBES'
