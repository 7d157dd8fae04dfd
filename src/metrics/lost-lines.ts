import { Counter, type Registry } from 'prom-client'

/** `sentinode_log_lines_lost_total`, read when it is scraped. @param lost lines so far */
export function lostLines(registry: Registry, lost: () => number): void {
  new Counter({
    name: 'sentinode_log_lines_lost_total',
    help: 'Lines of output lost to a reader that is gone or has stopped, or a full disk',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(lost())
    },
  })
}
