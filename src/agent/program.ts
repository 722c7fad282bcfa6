/** The agent as a program of an amphora: where it lies there and how it is started (docs/decisions/0003-agent-bundle.md). */

export const agentFile = '/opt/ottavia/agent.mjs'
export const nodeFile = '/opt/ottavia/node'

/** The agent doesn't need a heap of the size Node takes by default; many amphorae share one machine. */
const NODE_FLAGS = ['--max-old-space-size=64', '--max-semi-space-size=1', '--disable-warning=ExperimentalWarning']

/** What follows says where its configuration is. */
export const AGENT_PROGRAM = [nodeFile, ...NODE_FLAGS, agentFile]

export const AGENT_ENVIRONMENT = {
  PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LANG: 'C.UTF-8',
  MALLOC_ARENA_MAX: '1',
  UV_THREADPOOL_SIZE: '2',
}
