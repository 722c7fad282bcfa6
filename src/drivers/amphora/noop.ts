/** Agents that are not there and agree to everything. For benchmarks and tests of the API. */
import { everything } from './capabilities.ts'
import type { AgentInfo, AmphoraDriver } from './driver.ts'

export class NoopAmphora implements AmphoraDriver {
  readonly capabilities = everything
  readonly hasHaproxy = false

  async waitForAgent(): Promise<AgentInfo> {
    return { hostname: 'noop', api_version: '1.0', haproxy_version: '', keepalived_version: '', ipvsadm_version: '' }
  }

  async plugVip(): Promise<void> {}

  async plugNetwork(): Promise<void> {}

  async getInterface(): Promise<string> {
    return 'eth1'
  }

  async takesLogs(): Promise<boolean> {
    return false
  }

  async applyHaproxy(): Promise<null> {
    return null
  }

  async heldCertificates(): Promise<string[]> {
    return []
  }

  async deleteHaproxy(): Promise<void> {}

  async applyUdpListener(): Promise<void> {}

  async listUdpListeners(): Promise<string[]> {
    return []
  }

  async deleteUdpListener(): Promise<void> {}

  async applyKeepalived(): Promise<void> {}

  async stopKeepalived(): Promise<void> {}

  async handOver(): Promise<{ connections_left: number }> {
    return { connections_left: 0 }
  }

  async readLogs(): Promise<null> {
    return null
  }

  async updateAgentConfiguration(): Promise<void> {}

  async replaceServerCertificate(): Promise<void> {}

  async replaceClientCas(): Promise<boolean> {
    return true
  }
}
