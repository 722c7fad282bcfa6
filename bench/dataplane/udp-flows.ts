/** A program for a client's namespace: so many flows, each with one datagram under way, for so many seconds; prints the answers a second. Arguments: address, port, flows, seconds. */
import { createSocket } from 'node:dgram'

/** A datagram that got lost is sent again after this. */
const PATIENCE_MS = 200

const [address, port, flows, seconds] = process.argv.slice(2) as [string, string, string, string]
let answers = 0
for (let flow = 0; flow < Number(flows); flow++) {
  const socket = createSocket('udp4')
  let last = 0
  const send = () => {
    last = performance.now()
    socket.send('question', Number(port), address)
  }
  socket.on('message', () => {
    answers++
    send()
  })
  socket.bind(0, send)
  setInterval(() => {
    if (performance.now() - last > PATIENCE_MS) send()
  }, PATIENCE_MS)
}
setTimeout(() => {
  process.stdout.write(String(answers / Number(seconds)))
  process.exit(0)
}, Number(seconds) * 1_000)
