import { join } from 'node:path'
import { after, before } from 'node:test'
import { amphoraContract } from '../../src/drivers/amphora/contract.ts'
import { AgentStage } from './support/agent-stage.ts'

let stage: AgentStage | undefined
let number = 0
before(async () => {
  stage = await AgentStage.open()
})
after(() => stage?.close())

amphoraContract('haproxy-rest with a real agent', async () => {
  const agent = await stage!.agent(++number)
  return {
    driver: stage!.driver,
    amphora: agent,
    mac_address: agent.mac_address,
    certificatesPath: join(agent.base, 'certs'),
    // The controller's own address: nobody listens on the agents' port.
    silent: { id: agent.id, lb_network_ip: '192.0.2.1' },
  }
})
