/** Where users keep their certificates and keys: Barbican's model, as much of it as load balancing needs. */

/** PEM, all of it. */
export type CertificateBundle = { certificate: string; private_key: string; intermediates: string[] }

/**
 * On whose behalf a secret is read. A user, in the project his token is for: he reads what that project may read, and what lists him by name. The
 * service, for a load balancer of that project: it reads what the project may read, and what somebody who could read it himself has asked it to use.
 * Null is an admin, who reads everything.
 */
export type SecretReader = { project_id: string | null; user_id: string | null } | ServiceReader | null

/** How flows and periodic jobs read: never more than for the project whose load balancer it is. */
export type ServiceReader = { project_id: string; service: true }

/**
 * A reference is what users call a secret or container by: a URL that ends in its id, or the id alone.
 * What does not exist, or is not for the reader, throws NotFoundError; a bundle that cannot be opened UnreadableBundleError; a deployment without a
 * store NoSecretStoreError. What a user or an admin is given, the service may read from then on. May be remote: never called with a
 * transaction open.
 */
export interface CertificateDriver {
  /** Whether the reader could have the bundle, without handing it out. */
  checkCertificate(reference: string, reader: SecretReader): Promise<void>
  getCertificate(reference: string, reader: SecretReader): Promise<CertificateBundle>
  /** A secret's text as it is: the PEM of a CA or of a revocation list. */
  getSecret(reference: string, reader: SecretReader): Promise<string>
}
