/** Where the files lie that an amphora is booted with; the names are those of upstream's image. */
export const amphoraFiles = {
  agentConfiguration: '/etc/octavia/amphora-agent.conf',
  serverCertificate: '/etc/octavia/certs/server.pem',
  clientCa: '/etc/octavia/certs/client_ca.pem',
} as const
