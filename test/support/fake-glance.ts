/** A Glance that has one image, whatever is asked for. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { FakeService } from './fake-service.ts'

export class FakeGlance extends FakeService {
  protected override handle(_: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ images: [{ id: 'image' }] }))
  }
}
