/** The limit of the machine: two namespaces, two veth pairs, a checked HAProxy, the first 200; nothing else. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exec } from '../src/lib/exec.ts'

const configuration = `global
  stats socket unix@bare.sock mode 600
defaults
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 10s
frontend bare
  bind 198.19.255.2:80
  http-request return status 200
`

/** Milliseconds from nothing to the first 200. Everything it made is gone afterwards. */
export async function bareHaproxy(run: number): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'ottavia-bare-'))
  const outer = `bare-${run}-outer`
  const inner = `bare-${run}-inner`
  let haproxy: ChildProcess | undefined
  const started = performance.now()
  try {
    const host = [
      `netns add ${outer}`,
      `netns add ${inner}`,
      `link add bare-h type veth peer name eth0 netns ${outer}`,
      `link add bare-v type veth peer name eth1 netns ${inner}`,
      'addr add 198.19.255.1/30 dev bare-v',
      'link set bare-h up',
      'link set bare-v up',
    ]
    await exec('ip', ['-batch', '-'], { input: host.join('\n') })
    await exec('ip', ['-n', inner, '-batch', '-'], { input: 'link set lo up\naddr add 198.19.255.2/30 dev eth1\nlink set eth1 up\n' })
    const file = join(directory, 'haproxy.cfg')
    writeFileSync(file, configuration)
    await exec('haproxy', ['-c', '-q', '-f', file], { cwd: directory })
    haproxy = spawn('ip', ['netns', 'exec', inner, 'haproxy', '-db', '-q', '-f', file], { cwd: directory, stdio: 'ignore' })
    while (!(await answers())) await new Promise((resolve) => setTimeout(resolve, 1))
    return performance.now() - started
  } finally {
    const child = haproxy
    if (child?.exitCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await ended
    }
    // The links by name: with their namespaces they would go a moment later, perhaps when the next run is making them.
    const everything = ['link del bare-h', 'link del bare-v', `netns del ${outer}`, `netns del ${inner}`]
    await exec('ip', ['-force', '-batch', '-'], { input: `${everything.join('\n')}\n`, anyStatus: true })
    rmSync(directory, { recursive: true })
  }
}

function answers(): Promise<boolean> {
  return new Promise((resolve) => {
    const attempt = request({ host: '198.19.255.2', agent: false, timeout: 50 }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    attempt.on('timeout', () => attempt.destroy())
    attempt.on('error', () => resolve(false))
    attempt.end()
  })
}
