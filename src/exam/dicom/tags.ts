/**
 * The attributes that are read, and nothing else: what is not listed here is stepped over without being
 * stored, patient data above all. Names and value representations are those of DICOM PS3.6.
 */

/** How a value is kept: text (split on backslash when asked for), numbers, or nested data sets. */
export type Kind = 'text' | 'u16' | 'i16' | 'u32' | 'i32' | 'f32' | 'f64' | 'tag' | 'items'

export const TAGS = {
  TransferSyntaxUID: 0x00020010,
  ImageType: 0x00080008,
  SOPClassUID: 0x00080016,
  AcquisitionDate: 0x00080022,
  ContentDate: 0x00080023,
  AcquisitionDateTime: 0x0008002a,
  AcquisitionTime: 0x00080032,
  ContentTime: 0x00080033,
  Modality: 0x00080060,
  FrameType: 0x00089007,
  ComplexImageComponent: 0x00089208,
  PatientName: 0x00100010,
  PatientID: 0x00100020,
  PatientBirthDate: 0x00100030,
  ScanOptions: 0x00180022,
  RepetitionTime: 0x00180080,
  EchoTime: 0x00180081,
  InversionTime: 0x00180082,
  TriggerTime: 0x00181060,
  FlipAngle: 0x00181314,
  EffectiveEchoTime: 0x00189082,
  MREchoSequence: 0x00189114,
  MRTimingAndRelatedParametersSequence: 0x00189112,
  MRImageFrameTypeSequence: 0x00189226,
  MRDiffusionSequence: 0x00189117,
  FrameAcquisitionDateTime: 0x00189074,
  DiffusionBValue: 0x00189087,
  FrameReferenceDateTime: 0x00189151,
  StudyInstanceUID: 0x0020000d,
  SeriesInstanceUID: 0x0020000e,
  SeriesNumber: 0x00200011,
  AcquisitionNumber: 0x00200012,
  ImagePositionPatient: 0x00200032,
  ImageOrientationPatient: 0x00200037,
  FrameOfReferenceUID: 0x00200052,
  TemporalPositionIdentifier: 0x00200100,
  StackID: 0x00209056,
  FrameContentSequence: 0x00209111,
  PlanePositionSequence: 0x00209113,
  PlaneOrientationSequence: 0x00209116,
  TemporalPositionIndex: 0x00209128,
  FrameAcquisitionNumber: 0x00209156,
  DimensionIndexValues: 0x00209157,
  DimensionIndexPointer: 0x00209165,
  UnassignedSharedConvertedAttributesSequence: 0x00209170,
  UnassignedPerFrameConvertedAttributesSequence: 0x00209171,
  DimensionIndexSequence: 0x00209222,
  TemporalPositionSequence: 0x00209310,
  TemporalPositionTimeOffset: 0x0020930d,
  SamplesPerPixel: 0x00280002,
  PhotometricInterpretation: 0x00280004,
  NumberOfFrames: 0x00280008,
  Rows: 0x00280010,
  Columns: 0x00280011,
  PixelSpacing: 0x00280030,
  BitsAllocated: 0x00280100,
  BitsStored: 0x00280101,
  HighBit: 0x00280102,
  PixelRepresentation: 0x00280103,
  RescaleIntercept: 0x00281052,
  RescaleSlope: 0x00281053,
  LossyImageCompression: 0x00282110,
  ModalityLUTSequence: 0x00283000,
  PixelMeasuresSequence: 0x00289110,
  PixelValueTransformationSequence: 0x00289145,
  SharedFunctionalGroupsSequence: 0x52009229,
  PerFrameFunctionalGroupsSequence: 0x52009230,
  FloatPixelData: 0x7fe00008,
  DoubleFloatPixelData: 0x7fe00009,
  PixelData: 0x7fe00010,
} as const

export type TagName = keyof typeof TAGS

const NUMBERS: Partial<Record<TagName, Kind>> = {
  SamplesPerPixel: 'u16',
  Rows: 'u16',
  Columns: 'u16',
  BitsAllocated: 'u16',
  BitsStored: 'u16',
  HighBit: 'u16',
  PixelRepresentation: 'u16',
  FrameAcquisitionNumber: 'u16',
  TemporalPositionIndex: 'u32',
  DimensionIndexValues: 'u32',
  DimensionIndexPointer: 'tag',
  EffectiveEchoTime: 'f64',
  DiffusionBValue: 'f64',
  TemporalPositionTimeOffset: 'f64',
}

const KINDS = new Map<number, Kind>(
  (Object.keys(TAGS) as TagName[]).map((name) => [
    TAGS[name],
    name.endsWith('Sequence') ? 'items' : (NUMBERS[name] ?? 'text'),
  ]),
)

/** How to keep the value of `tag`; undefined when it is not read at all. */
export function kindOf(tag: number): Kind | undefined {
  return KINDS.get(tag)
}
