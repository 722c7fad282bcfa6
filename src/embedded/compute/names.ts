/** What the sandboxes of one state are called on the host: all of it begins with the state's hash, so that it is found without the database. */
export interface SandboxNames {
  /** The parent of all its cgroups. */
  readonly prefix: string
  /** Network namespace and cgroup of a server, as `ip netns` shows it. */
  ofServer(compute_id: string): string
  ofLabHost(name: string): string
  isMine(name: string): boolean
}

export function sandboxNames(stateHash: string): SandboxNames {
  const prefix = `ottavia-${stateHash}`
  return {
    prefix,
    ofServer: (compute_id) => `${prefix}-amphora-${compute_id}`,
    ofLabHost: (name) => `${prefix}-lab-${name}`,
    isMine: (name) => name.startsWith(`${prefix}-amphora-`) || name.startsWith(`${prefix}-lab-`),
  }
}
