/** Where users keep their certificates and keys: Barbican's model, as much of it as load balancing needs. */

/** PEM, all of it. */
export type CertificateBundle = { certificate: string; private_key: string; intermediates: string[] }

/** On whose behalf a secret is read; null is the service itself, or an admin, who may read everything. */
export type SecretReader = { project_id: string | null } | null

/**
 * A reference is what users call a secret or container by: a URL that ends in its id, or the id alone.
 * What does not exist, or is not for the reader, throws NotFoundError; a bundle that cannot be opened UnreadableBundleError; a deployment without a
 * store NoSecretStoreError. May be remote: never called with a transaction open.
 */
export interface CertificateDriver {
  /** Whether the reader could have the bundle, without handing it out. */
  checkCertificate(reference: string, reader: SecretReader): Promise<void>
  getCertificate(reference: string, reader: SecretReader): Promise<CertificateBundle>
  /** A secret's text as it is: the PEM of a CA or of a revocation list. */
  getSecret(reference: string, reader: SecretReader): Promise<string>
}
