/** Which changes of a running load balancer take a reload, and that none costs a client anything. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { after, afterEach, before, describe, test } from 'node:test'
import { connect } from 'node:tls'
import type { CertificateFile } from '../../src/drivers/amphora/driver.ts'
import { AgentError } from '../../src/drivers/errors.ts'
import { createCertificateAuthority, loadCertificateAuthority } from '../../src/lib/certificate-authority.ts'
import { createRevocationList } from '../../src/lib/revocation-list.ts'
import { eventually } from '../support/eventually.ts'
import { get, LOAD_BALANCER, VIP } from './support/agent-stage.ts'
import { ChangingLoadBalancer, type More, server, url } from './support/changing.ts'
import { type Load, startLoad } from './support/load.ts'

describe('changes of a running load balancer', () => {
  let balancer: ChangingLoadBalancer
  let load: Load | undefined

  before(async () => {
    balancer = await ChangingLoadBalancer.open()
  })
  after(() => balancer.close())
  afterEach(async () => {
    await load?.stop()
    load = undefined
  })

  /** Under load: `change` loses no request and takes so many reloads. */
  const withoutLoss = async (reloads: number, change: () => Promise<void>) => {
    const before = (await balancer.report()).changes
    load = startLoad(url)
    await change()
    await load.stop()
    assert.deepEqual(load.lost, [])
    assert.ok(load.served > 50, `${load.served} requests`)
    const { changes } = await balancer.report()
    assert.equal(changes.reload - before.reload, reloads, JSON.stringify(changes))
    assert.equal(changes.failed, before.failed)
  }

  test('the first start, and the same again', async () => {
    assert.equal((await balancer.use([server('one')])).how, 'start')
    assert.equal((await balancer.use([server('one')])).how, 'unchanged')
    assert.equal((await balancer.use([server('one'), '# a comment'])).how, 'unchanged')
  })

  test('members come, go, are weighted and switched off without a reload', async () => {
    const check = 'check inter 200ms fall 2 rise 1'
    const steps: [string, string[], string[]][] = [
      ['a member comes', [server('one'), server('two')], ['one', 'two']],
      ['another in front', [server('three'), server('one'), server('two')], ['one', 'three', 'two']],
      ['one is drained', [server('three'), server('one', `weight 0 ${check}`), server('two')], ['three', 'two']],
      ['and back', [server('three'), server('one'), server('two')], ['one', 'three', 'two']],
      ['one is off', [server('three'), server('one'), server('two', `weight 1 ${check} disabled`)], ['one', 'three']],
      ['and on', [server('three'), server('one'), server('two')], ['one', 'three', 'two']],
      ['all but one go', [server('two')], ['two']],
      ['all are exchanged', [server('three'), server('one')], ['one', 'three']],
    ]
    await withoutLoss(0, async () => {
      for (const [what, servers, expected] of steps) {
        const { how, duration_ms } = await balancer.use(servers)
        assert.equal(how, 'runtime', what)
        assert.ok(duration_ms > 0 && duration_ms < 5_000, `${what}: ${duration_ms} ms`)
        assert.deepEqual(await balancer.answering(), expected, what)
      }
    })
    // HAProxy keeps idle connections of members for some seconds.
    await eventually(async () => (await balancer.drainingNames()).length === 0, 20_000)
  })

  test('what needs a reload loses nothing either, and several at once are one', async () => {
    const use = (seconds: number) => balancer.use([server('one')], { frontend: `    timeout http-request ${seconds}s\n` })
    await withoutLoss(3, async () => {
      for (const seconds of [5, 6]) assert.equal((await use(seconds)).how, 'reload')
      await balancer.upload([server('one')], { frontend: '    timeout http-request 7s\n' })
      const answers = await Promise.all(Array.from({ length: 8 }, () => balancer.reload()))
      assert.equal(answers.filter(({ how }) => how === 'reload').length >= 1, true)
    })
    await balancer.use([server('one')])
  })

  test('a member with a cookie takes a reload, which is counted apart; all else of its pool does not', async () => {
    const cookie: More = { pool: '    cookie SRV insert indirect nocache\n' }
    await balancer.use([server('one', 'weight 1 cookie one')], cookie)
    const before = (await balancer.report()).changes
    await withoutLoss(1, async () => {
      assert.equal((await balancer.use([server('one', 'weight 1 cookie one'), server('two', 'weight 1 cookie two')], cookie)).how, 'reload')
      assert.equal(
        (await balancer.use([server('one', 'weight 3 cookie one'), server('two', 'weight 1 cookie two disabled')], cookie)).how,
        'runtime',
      )
      assert.equal((await balancer.use([server('one', 'weight 1 cookie one')], cookie)).how, 'runtime')
    })
    assert.equal((await balancer.report()).changes.reload_reasons.cookies, (before.reload_reasons.cookies ?? 0) + 1)
  })

  test('a client that sticks to its member keeps it through changes and reloads', async () => {
    const sticky: More = { pool: '    stick-table type ipv6 size 10k peers local\n    stick on src\n' }
    const all = [server('one'), server('two'), server('three')]
    await balancer.use(all, sticky)
    const mine = await get(url)
    const still = async (what: string) => {
      for (let n = 0; n < 4; n++) assert.equal(await get(url), mine, what)
    }
    const others = all.filter((line) => !line.startsWith(`server ${mine} `))
    const own = all.find((line) => line.startsWith(`server ${mine} `))!
    await balancer.use([own, others[0]!], sticky)
    await still('another member has gone')
    await balancer.use([others[1]!, own, others[0]!], sticky)
    await still('and come back')
    assert.equal(
      (await balancer.use([others[1]!, own, others[0]!], { ...sticky, frontend: '    timeout http-request 9s\n' })).how,
      'reload',
    )
    await still('HAProxy was reloaded')
    await balancer.use([others[1]!, others[0]!], { ...sticky, frontend: '    timeout http-request 9s\n' })
    assert.notEqual(await get(url), mine, 'it is gone itself')
  })

  test('a member that was down is down after a reload, and one that was not checked is not', async () => {
    const wrong = server('two', 'weight 1 check inter 200ms fall 1 rise 100 port 81')
    await balancer.use([server('one'), wrong])
    const states = () => readFileSync(`${balancer.agent.base}/${LOAD_BALANCER}/servers-state`, 'utf8')
    await eventually(() => / two 10\.0\.0\.22 0 0 /.test(states()))
    assert.equal((await balancer.use([server('one'), wrong], { frontend: '    timeout http-request 4s\n' })).how, 'reload')
    assert.deepEqual(await balancer.answering(), ['one'])
    assert.equal((await balancer.use([server('one'), server('two', 'weight 1')])).how, 'reload')
    assert.deepEqual(await balancer.answering(), ['one', 'two'])
  })

  describe('of certificates', () => {
    const directory = () => `${balancer.agent.base}/certs/${LOAD_BALANCER}`
    const listener = (): More => ({
      frontend: `    bind ${VIP}:443 ssl crt-list ${directory()}/list.pem ca-file ${directory()}/ca.pem verify optional crl-file ${directory()}/crl.pem\n`,
    })
    const issue = async (common_name: string) => {
      const { certificate, key } = await (await loadCertificateAuthority(authority)).issue({
        common_name,
        usage: 'server',
        validitySeconds: 3600,
      })
      // With an empty line, at which a payload of HAProxy's would end.
      return `${certificate}\n\n${key}`
    }
    let authority: { certificate: string; key: string }
    let files: Record<string, string> = {}
    const use = () =>
      balancer.use(
        [server('one')],
        listener(),
        Object.entries(files).map(([name, contents]): CertificateFile => ({ name, contents })),
      )
    const list = (...names: string[]) => names.map((name) => `${directory()}/${name}\n`).join('')

    before(async () => {
      authority = await createCertificateAuthority({ common_name: 'authority', validitySeconds: 3600 })
      files = {
        'default.pem': await issue('first'),
        'sni-a.pem': await issue('a.example.org'),
        'ca.pem': authority.certificate,
        'crl.pem': await createRevocationList(authority),
        'list.pem': list('default.pem', 'sni-a.pem'),
      }
      assert.equal((await use()).how, 'reload')
    })

    test('they are exchanged, come and go without a reload and without a failed handshake', async () => {
      const { reload } = (await balancer.report()).changes
      const failed: string[] = []
      let shaken = 0
      let done = false
      const client = async () => {
        while (!done) {
          await subjectShown('x.example.org').then(
            () => shaken++,
            (error: Error) => failed.push(error.message),
          )
        }
      }
      const clients = [client(), client()]
      for (const name of ['second', 'third']) {
        files['default.pem'] = await issue(name)
        assert.equal((await use()).how, 'runtime')
        assert.equal(await subjectShown('x.example.org'), name)
      }
      files['sni-b.pem'] = await issue('b.example.org')
      files['list.pem'] = list('default.pem', 'sni-a.pem', 'sni-b.pem')
      assert.equal((await use()).how, 'runtime')
      assert.equal(await subjectShown('b.example.org'), 'b.example.org')
      delete files['sni-a.pem']
      files['list.pem'] = list('default.pem', 'sni-b.pem')
      assert.equal((await use()).how, 'runtime')
      assert.equal(await subjectShown('a.example.org'), 'third')
      files['crl.pem'] = await createRevocationList(authority)
      files['ca.pem'] = `${authority.certificate}\n${balancer.stage.clientCa.certificate}`
      assert.equal((await use()).how, 'runtime')
      done = true
      await Promise.all(clients)
      assert.deepEqual(failed, [])
      assert.ok(shaken > 10, `${shaken} handshakes`)
      assert.equal((await balancer.report()).changes.reload, reload)
      assert.deepEqual(
        readdirSync(directory()).sort(),
        ['ca.pem', 'crl.pem', 'default.pem', 'list.pem', 'sni-b.pem'],
        'nothing is left over',
      )
    })

    test('a broken one is refused, and the old one stays in service', async () => {
      const good = files['default.pem']!
      const stranger = await issue('stranger')
      const key = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*$/.exec(stranger)![0]
      for (const [what, contents] of [
        ['with the key of another', good.replace(/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*$/, key)],
        ['without a key', authority.certificate],
        ['cut off', good.slice(0, -80)],
        ['no certificate at all', 'nonsense'],
      ] as const) {
        const path = `/1.0/loadbalancer/${LOAD_BALANCER}/certificates/default.pem`
        const refused = await balancer.stage.raw(balancer.agent, 'PUT', path, { body: contents })
        assert.equal(refused.status, 400, what)
        assert.doesNotMatch(refused.body, /BEGIN|[A-Za-z0-9+/]{40}/, what)
      }
      assert.equal(readFileSync(`${directory()}/default.pem`, 'utf8'), good)
      assert.equal(await subjectShown('x.example.org'), 'third')
      assert.equal((await use()).how, 'unchanged')
    })

    test('a list that names what is not there is refused with the configuration', async () => {
      files['list.pem'] = list('default.pem', 'nowhere.pem')
      await assert.rejects(use(), (error) => error instanceof AgentError && error.status === 400)
      assert.equal(await subjectShown('x.example.org'), 'third')
      files['list.pem'] = list('default.pem', 'sni-b.pem')
      assert.equal((await use()).how, 'unchanged')
    })

    test('no key is in a log or an answer', async () => {
      const logs = ['agent.log', `${LOAD_BALANCER}/haproxy.log`].map((name) => readFileSync(`${balancer.agent.base}/${name}`, 'utf8'))
      assert.doesNotMatch(`${logs.join('')}${JSON.stringify(await balancer.report())}`, /PRIVATE KEY/)
      assert.ok(existsSync(`${balancer.agent.base}/${LOAD_BALANCER}/running.cfg`))
    })
  })
})

/** The common name of the certificate that a client with this SNI is shown. */
function subjectShown(servername: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: VIP, port: 443, servername, rejectUnauthorized: false, timeout: 5_000 }, () => {
      resolve(socket.getPeerCertificate().subject.CN as string)
      socket.end()
    })
    socket.on('timeout', () => socket.destroy(new Error('timed out')))
    socket.on('error', reject)
  })
}
