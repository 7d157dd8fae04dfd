/** Samples of /metrics by name and labels, each the whole line. */
export async function scrape(address: string): Promise<Map<string, string>> {
  const text = await (await fetch(`http://${address}/metrics`)).text()
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(samples.map((line) => [line.slice(0, line.lastIndexOf(' ')), line]))
}

/** Counters and gauges of our own, of gRPC's and of Triton's names that moved; histograms would fill pages. */
export function changed(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  return [...after]
    .filter(([name, line]) => /^(nv_|sentinode_|grpc_)/.test(name) && before.get(name) !== line)
    .map(([, line]) => line)
    .filter((line) => line.startsWith('nv_') || !/_(sum|count|bucket)[{ ]/.test(line))
}
