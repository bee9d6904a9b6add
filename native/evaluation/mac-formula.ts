import { type MacFormula, macFormulaText } from '../../trace/costs.ts';

/** Right for the gated MLP of Llama's layers. */
export const macFormula: MacFormula = 'F3';

/** For the reader. */
export const macFormulaName = `${macFormula}, decoder layers: ${macFormulaText[macFormula]} in prefill; reading high-resolution tokens included`;
