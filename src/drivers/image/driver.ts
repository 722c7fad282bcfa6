/** Where the images of amphorae are: Glance's model, as much of it as load balancing needs. */

export interface ImageDriver {
  /** The id of the newest image that has the tag and can be booted. Throws NotFoundError where there is none. */
  findImage(tag: string): Promise<string>
}
