// The decoders ship no types of their own: only what is used of them is described.

interface WasmDecoder {
  getEncodedBuffer(length: number): Uint8Array
  decode(): void
  getDecodedBuffer(): Uint8Array
  delete(): void
}

interface WasmOptions {
  print(line: string): void
  printErr(line: string): void
}

declare module '@cornerstonejs/codec-openjpeg/decodewasmjs' {
  const factory: (options: WasmOptions) => Promise<{ J2KDecoder: new () => WasmDecoder }>
  export default factory
}

declare module '@cornerstonejs/codec-charls/decodewasmjs' {
  const factory: (options: WasmOptions) => Promise<{ JpegLSDecoder: new () => WasmDecoder }>
  export default factory
}

declare module '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs' {
  const factory: (options: WasmOptions) => Promise<{ JPEGDecoder: new () => WasmDecoder }>
  export default factory
}
