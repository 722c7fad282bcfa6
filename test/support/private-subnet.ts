import type { Controller } from './controller.ts'

/** The id of `private-subnet`, from the embedded network service as a client asks it. */
export async function privateSubnetId(controller: Controller): Promise<string> {
  const url = `http://127.0.0.1:${controller.portBase + 2}/v2.0/subnets?name=private-subnet`
  const response = await fetch(url, { headers: { 'x-auth-token': await controller.token() } })
  const { subnets } = (await response.json()) as { subnets: { id: string }[] }
  return subnets[0]!.id
}
