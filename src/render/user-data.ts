/** What cloud-init does at the start of a machine whose image has it, such as upstream's (`octavia/common/jinja/templates/user_data_config_drive.template`). */

/**
 * In: files by path, which cloud-init writes; empty: they come by the config drive itself. What they hold is part of the text: never journal or log it. JSON
 * is YAML, in which nothing has to be quoted by hand.
 */
export function renderUserData({ files, timezone }: { files: Record<string, string>; timezone: string }): string {
  const write_files = Object.entries(files).map(([path, content]) => ({ path, content, permissions: '0600' }))
  const data = {
    ...(write_files.length === 0 ? {} : { write_files }),
    runcmd: ['systemctl restart rsyslog', ...(write_files.length === 0 ? [] : ['service amphora-agent restart'])],
    timezone,
  }
  return `#cloud-config\n${JSON.stringify(data, null, 1)}\n`
}
