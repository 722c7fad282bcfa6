import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, test } from 'node:test'
import { amphoraFiles } from '../../lib/amphora-files.ts'
import { renderUserData } from '../../render/user-data.ts'
import { CloudConfigError, filesInCloudConfig } from './cloud-config.ts'
import { ConfigDriveError, type NetworkData, readConfigDrive } from './config-drive.ts'
import { networkFiles } from './network-files.ts'
import { placeFiles } from './place-files.ts'

const directory = mkdtempSync(join(tmpdir(), 'config-drive-'))
after(() => rmSync(directory, { recursive: true }))
let drives = 0

/** Nova's layout. */
function aDrive(metaData: object, files: Record<string, string> = {}): string {
  const drive = join(directory, String(++drives))
  for (const [path, contents] of Object.entries({ 'latest/meta_data.json': JSON.stringify(metaData), ...files })) {
    mkdirSync(dirname(join(drive, 'openstack', path)), { recursive: true })
    writeFileSync(join(drive, 'openstack', path), contents)
  }
  return drive
}

const agentFiles = Object.fromEntries(Object.values(amphoraFiles).map((path) => [path, `contents of ${path}\n`]))
const asMap = (files: Record<string, string>) => new Map(Object.entries(files).map(([path, text]) => [path, Buffer.from(text)]))

describe('a config drive', () => {
  test('has the files of the API, the name and the networks', () => {
    const drive = readConfigDrive(
      aDrive(
        { uuid: 'server-1', hostname: 'amphora-1', files: [{ path: '/etc/octavia/amphora-agent.conf', content_path: '/content/0000' }] },
        {
          'content/0000': '[DEFAULT]\n',
          'latest/network_data.json': JSON.stringify({ links: [{ id: 'tap1', ethernet_mac_address: 'fa:16:3e:00:00:01' }], services: [] }),
        },
      ),
    )
    assert.deepEqual([drive.instance_id, drive.hostname], ['server-1', 'amphora-1'])
    assert.equal(drive.files.get('/etc/octavia/amphora-agent.conf')?.toString(), '[DEFAULT]\n')
    assert.equal(drive.network.links[0]?.ethernet_mac_address, 'fa:16:3e:00:00:01')
    assert.deepEqual(drive.network.networks, [])
  })

  test('may have the files in its user data', () => {
    const drive = readConfigDrive(
      aDrive({ uuid: 'server-1' }, { 'latest/user_data': '#cloud-config\nwrite_files:\n-   path: /a\n    content: |\n        text\n' }),
    )
    assert.equal(drive.files.get('/a')?.toString(), 'text\n')
  })

  for (const [what, metaData, files, message] of [
    ['no uuid', {}, {}, /no uuid/],
    ['contents outside of its own', { uuid: 's', files: [{ path: '/a', content_path: '/../../etc/shadow' }] }, {}, /not below/],
    ['contents that are not there', { uuid: 's', files: [{ path: '/a', content_path: '/content/0000' }] }, {}, /not there/],
    ['networks that are no JSON', { uuid: 's' }, { 'latest/network_data.json': '{' }, /network_data.json is no JSON/],
  ] as const) {
    test(`with ${what} is refused`, () => {
      assert.throws(() => readConfigDrive(aDrive(metaData, files)), { constructor: ConfigDriveError, message })
    })
  }

  test('that is none is refused', () => {
    assert.throws(() => readConfigDrive(directory), /is no config drive/)
  })
})

describe('files', () => {
  const place = (files: Record<string, string>, root: string, instance_id = 'server-1') =>
    placeFiles({ instance_id, files: asMap(files) }, root)
  const aRoot = () => mkdtempSync(join(directory, 'root-'))

  test('are placed for root alone', () => {
    const root = aRoot()
    assert.equal(place(agentFiles, root), true)
    for (const [path, contents] of Object.entries(agentFiles)) {
      assert.equal(readFileSync(join(root, path), 'utf8'), contents)
      assert.equal(statSync(join(root, path)).mode & 0o777, 0o600)
    }
  })

  test('are placed once in the life of a server: what was renewed since stays', () => {
    const root = aRoot()
    place(agentFiles, root)
    writeFileSync(join(root, amphoraFiles.serverCertificate), 'renewed')
    assert.equal(place(agentFiles, root), false)
    assert.equal(readFileSync(join(root, amphoraFiles.serverCertificate), 'utf8'), 'renewed')
    assert.equal(place(agentFiles, root, 'server-2'), true)
    assert.notEqual(readFileSync(join(root, amphoraFiles.serverCertificate), 'utf8'), 'renewed')
  })

  for (const path of [
    '/etc/passwd',
    '/etc/octavia/../passwd',
    '/etc/octavia/certs/',
    '/etc/octavia/instance-id',
    'etc/octavia/amphora-agent.conf',
  ]) {
    test(`are refused with ${path}, and nothing is placed`, () => {
      const root = aRoot()
      assert.throws(() => place({ ...agentFiles, [path]: '' }, root), {
        constructor: ConfigDriveError,
        message: `${path} is none of the agent's files`,
      })
      assert.ok(!existsSync(join(root, 'etc')))
    })
  }

  test("may be with upstream's configuration of a log daemon, which is left out", () => {
    const root = aRoot()
    assert.equal(place({ ...agentFiles, '/etc/rsyslog.d/10-rsyslog.conf': 'x' }, root), true)
    assert.ok(!existsSync(join(root, 'etc/rsyslog.d')))
  })

  test('are refused when one is missing', () => {
    const { [amphoraFiles.clientCa]: _, ...others } = agentFiles
    assert.throws(() => place(others, aRoot()), /has no \/etc\/octavia\/certs\/client_ca.pem/)
  })
})

describe('user data', () => {
  const read = (text: string) => Object.fromEntries([...filesInCloudConfig(text)].map(([path, contents]) => [path, contents.toString()]))

  test("is read in upstream's form", () => {
    const text = `
#cloud-config
# vim: syntax=yaml
#
# Key Value pair

write_files:
-   path: /etc/octavia/amphora-agent.conf
    content: |
        
        [DEFAULT]
        debug = False

        [amphora_agent]
        # a comment of the file
        amphora_id = a: "b" - c
-   path: /etc/octavia/certs/client_ca.pem
    content: |
        -----BEGIN CERTIFICATE-----
        MIIB
        -----END CERTIFICATE-----
        

runcmd:
-   systemctl restart rsyslog
-   service amphora-agent restart

timezone: UTC
`.trimStart()
    assert.deepEqual(read(text), {
      '/etc/octavia/amphora-agent.conf':
        '\n[DEFAULT]\ndebug = False\n\n[amphora_agent]\n# a comment of the file\namphora_id = a: "b" - c\n',
      '/etc/octavia/certs/client_ca.pem': '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
    })
  })

  test('is read as our controller writes it', () => {
    const files = {
      '/etc/octavia/amphora-agent.conf': '[DEFAULT]\n  "a" = {b}\n',
      '/etc/octavia/certs/client_ca.pem': '-----BEGIN\nMIIB\n',
    }
    assert.deepEqual(read(renderUserData({ files, timezone: 'UTC' })), files)
    assert.deepEqual(read(renderUserData({ files: {}, timezone: 'UTC' })), {})
  })

  test('may be quoted, in base64, and end as it says', () => {
    const text = [
      '#cloud-config',
      'write_files:',
      '  - path: "/a\\u0062"',
      '    encoding: b64',
      '    content: aGVsbG8=',
      "  - content: 'it''s'",
      '    path: /c',
      "    permissions: '0600'",
      '    owner: root:root',
      '  - path: /d',
      '    content: |-',
      '      x',
      '        y',
      '',
      '  - path: /e',
      '    content: |+',
      '      z',
      '',
    ].join('\n')
    assert.deepEqual(read(text), { '/ab': 'hello', '/c': "it's", '/d': 'x\n  y', '/e': 'z\n\n' })
  })

  test('without files, or of another kind, has none', () => {
    assert.deepEqual(read('#cloud-config\nruncmd:\n- reboot\n'), {})
    assert.deepEqual(read('#!/bin/sh\nwrite_files:\n- path: /a\n'), {})
    assert.deepEqual(read(''), {})
  })

  for (const [what, entry] of [
    ['an anchor', '- path: *a'],
    ['a folded block', '- path: /a\n  content: >\n    x'],
    ['compressed contents', '- path: /a\n  encoding: gzip\n  content: x'],
    ['no path', '- content: x'],
    ['an addition to a file', '- path: /a\n  append: true\n  content: x'],
    ['a flow mapping', '- {path: /a}'],
    ['a part of no entry', '  path: /a'],
  ] as const) {
    test(`with ${what} is refused`, () => {
      assert.throws(() => read(`#cloud-config\nwrite_files:\n${entry}\n`), CloudConfigError)
    })
  }
})

describe('the machine that Nova describes', () => {
  const mac = 'fa:16:3e:00:00:01'
  const file = (networks: Omit<NetworkData['networks'][number], 'link'>[], mtu: number | null = null) =>
    networkFiles({ links: [{ id: 'tap1', ethernet_mac_address: mac, mtu }], networks: networks.map((one) => ({ link: 'tap1', ...one })) })[
      '10-boot-0.network'
    ]!

  test('has fixed addresses and routes', () => {
    const text = file(
      [
        {
          type: 'ipv4',
          ip_address: '192.0.2.5',
          netmask: '255.255.254.0',
          routes: [{ network: '0.0.0.0', netmask: '0.0.0.0', gateway: '192.0.2.1' }],
        },
        { type: 'ipv6', ip_address: 'fd00::5', netmask: 'ffff:ffff:ffff:ffff::', routes: [] },
      ],
      1450,
    )
    for (const line of [
      'MACAddress=fa:16:3e:00:00:01',
      'MTUBytes=1450',
      'DHCP=no',
      'IPv6AcceptRA=no',
      'Address=192.0.2.5/23',
      'Address=fd00::5/64',
    ])
      assert.ok(text.split('\n').includes(line), line)
    assert.match(text, /\[Route\]\nDestination=0.0.0.0\/0\nGateway=192.0.2.1\n/)
  })

  test('asks by DHCP and listens to routers where it should', () => {
    assert.match(file([{ type: 'ipv4_dhcp' }]), /^DHCP=ipv4\nIPv6AcceptRA=no$/m)
    for (const type of ['ipv6_slaac', 'ipv6_dhcp', 'ipv6_dhcpv6-stateful', 'ipv6_dhcpv6-stateless'])
      assert.match(file([{ type }]), /^DHCP=no\nIPv6AcceptRA=yes$/m)
  })

  test('is refused where an address is none', () => {
    const hostile = '10.0.0.1\nDHCP=yes'
    assert.throws(() => file([{ type: 'ipv4', ip_address: hostile, netmask: '255.255.255.0' }]), ConfigDriveError)
    assert.throws(() => file([{ type: 'ipv4', ip_address: '10.0.0.1', netmask: '255.0.255.0' }]), ConfigDriveError)
    assert.throws(() => networkFiles({ links: [{ id: 'a', ethernet_mac_address: 'fa:16\n' }], networks: [] }), ConfigDriveError)
  })
})
