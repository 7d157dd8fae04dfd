/** The protocol's datatypes: their names in config.pbtxt and their sizes. */
import type { DataType } from '../engine/index.js'
import { DataType as ConfigType } from '../generated/model_config.js'

const TYPES: Readonly<Record<DataType, { readonly config: ConfigType; readonly size: number }>> = {
  BOOL: { config: ConfigType.TYPE_BOOL, size: 1 },
  UINT8: { config: ConfigType.TYPE_UINT8, size: 1 },
  UINT16: { config: ConfigType.TYPE_UINT16, size: 2 },
  UINT32: { config: ConfigType.TYPE_UINT32, size: 4 },
  UINT64: { config: ConfigType.TYPE_UINT64, size: 8 },
  INT8: { config: ConfigType.TYPE_INT8, size: 1 },
  INT16: { config: ConfigType.TYPE_INT16, size: 2 },
  INT32: { config: ConfigType.TYPE_INT32, size: 4 },
  INT64: { config: ConfigType.TYPE_INT64, size: 8 },
  FP16: { config: ConfigType.TYPE_FP16, size: 2 },
  BF16: { config: ConfigType.TYPE_BF16, size: 2 },
  FP32: { config: ConfigType.TYPE_FP32, size: 4 },
  FP64: { config: ConfigType.TYPE_FP64, size: 8 },
  BYTES: { config: ConfigType.TYPE_STRING, size: 0 },
}

export const DATA_TYPES = Object.keys(TYPES) as readonly DataType[]

export function isDataType(name: string): name is DataType {
  return Object.hasOwn(TYPES, name)
}

/** Bytes of one element; 0 for BYTES, whose elements differ. */
export function elementSize(type: DataType): number {
  return TYPES[type].size
}

export function toConfigType(type: DataType): ConfigType {
  return TYPES[type].config
}

/** Null for TYPE_INVALID and numbers that are no datatype. */
export function fromConfigType(type: ConfigType): DataType | null {
  return DATA_TYPES.find((name) => TYPES[name].config === type) ?? null
}
