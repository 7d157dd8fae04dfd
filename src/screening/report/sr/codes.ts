/** Codes of the report. DCM: PS3.16 annex D; SCT: SNOMED CT as the DICOM context groups list it; UCUM. */

import type { Code } from './content.js'

export const IMAGING_MEASUREMENT_REPORT: Code = ['126000', 'DCM', 'Imaging Measurement Report']
export const LANGUAGE: Code = ['121049', 'DCM', 'Language of Content Item and Descendants']
export const ENGLISH: Code = ['en-US', 'RFC5646', 'English (United States)']
export const OBSERVER_TYPE: Code = ['121005', 'DCM', 'Observer Type']
export const DEVICE: Code = ['121007', 'DCM', 'Device']
export const DEVICE_UID: Code = ['121012', 'DCM', 'Device Observer UID']
export const DEVICE_NAME: Code = ['121013', 'DCM', 'Device Observer Name']
export const DEVICE_MANUFACTURER: Code = ['121014', 'DCM', 'Device Observer Manufacturer']
export const DEVICE_MODEL: Code = ['121015', 'DCM', 'Device Observer Model Name']
export const DEVICE_SERIAL: Code = ['121016', 'DCM', 'Device Observer Serial Number']
export const PROCEDURE_REPORTED: Code = ['121058', 'DCM', 'Procedure reported']
export const MRI_OF_BREAST: Code = ['241615005', 'SCT', 'MRI of breast']
export const IMAGE_LIBRARY: Code = ['111028', 'DCM', 'Image Library']
export const IMAGE_LIBRARY_GROUP: Code = ['126200', 'DCM', 'Image Library Group']
export const IMAGING_MEASUREMENTS: Code = ['126010', 'DCM', 'Imaging Measurements']
export const MEASUREMENT_GROUP: Code = ['125007', 'DCM', 'Measurement Group']
export const TRACKING_IDENTIFIER: Code = ['112039', 'DCM', 'Tracking Identifier']
export const TRACKING_UID: Code = ['112040', 'DCM', 'Tracking Unique Identifier']
export const FINDING: Code = ['121071', 'DCM', 'Finding']
export const FINDING_SITE: Code = ['363698007', 'SCT', 'Finding Site']
export const PROBABILITY: Code = ['122157', 'DCM', 'Probability']
export const ALGORITHM_NAME: Code = ['111001', 'DCM', 'Algorithm Name']
export const ALGORITHM_VERSION: Code = ['111003', 'DCM', 'Algorithm Version']
export const ALGORITHM_PARAMETERS: Code = ['111002', 'DCM', 'Algorithm Parameters']
export const SENSITIVITY: Code = ['111088', 'DCM', 'Case Sensitivity']
export const SPECIFICITY: Code = ['111090', 'DCM', 'Case Specificity']
export const COMMENT: Code = ['121106', 'DCM', 'Comment']
export const POSITIVE: Code = ['10828004', 'SCT', 'Positive']
export const NEGATIVE: Code = ['260385009', 'SCT', 'Negative']
export const RATIO: Code = ['1', 'UCUM', 'no units']

/** What no public scheme has; values of at most 16 characters. */
export const OWN_SCHEME = '99SENTINODE'
const own = (value: string, meaning: string): Code => [value, OWN_SCHEME, meaning]
export const CALIBRATED_PROBABILITY = own('CALIBRATED', 'Calibrated probability')
export const ENSEMBLE_SPREAD = own('SPREAD', 'Standard deviation over an ensemble')
export const DECISION = own('DECISION', 'Decision at the operating point')
export const THRESHOLD = own('THRESHOLD', 'Threshold of the operating point')
