/** How many singular values a small matrix has that float32 can tell from 0, as `torch.linalg.matrix_rank` counts them. */

const float32Epsilon = 2 ** -23;
const mostSweeps = 60;

/** @param matrix [rows, columns] */
export function matrixRank(matrix: ArrayLike<number>, rows: number, columns: number): number {
  const short = Math.min(rows, columns);
  const at = (i: number, k: number): number => (rows <= columns ? matrix[i * columns + k]! : matrix[k * columns + i]!);
  const gram = Array.from({ length: short }, (_, i) =>
    Float64Array.from({ length: short }, (_, j) => {
      let sum = 0;
      for (let k = 0; k < Math.max(rows, columns); k++) sum += at(i, k) * at(j, k);
      return sum;
    }),
  );
  const squares = eigenvalues(gram);
  const largest = Math.max(0, ...squares);
  const tolerance = Math.max(rows, columns) * float32Epsilon;
  return squares.filter(square => square > 0 && square > largest * tolerance ** 2).length;
}

/** Of a symmetric matrix, by Jacobi's rotations; the matrix is used up. */
function eigenvalues(matrix: Float64Array[]): number[] {
  const size = matrix.length;
  for (let sweep = 0; sweep < mostSweeps; sweep++) {
    let turned = false;
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) turned = rotate(matrix, p, q) || turned;
    }
    if (!turned) break;
  }
  return matrix.map((values, index) => values[index]!);
}

/** Makes the element of row p and column q 0. @returns whether it was not so already */
function rotate(matrix: Float64Array[], p: number, q: number): boolean {
  const [rowP, rowQ] = [matrix[p]!, matrix[q]!];
  const off = rowP[q]!;
  if (Math.abs(off) <= Number.EPSILON * Math.sqrt(Math.abs(rowP[p]! * rowQ[q]!))) return false;
  const ratio = (rowQ[q]! - rowP[p]!) / (2 * off);
  const tangent = (ratio >= 0 ? 1 : -1) / (Math.abs(ratio) + Math.sqrt(ratio * ratio + 1));
  const cosine = 1 / Math.sqrt(tangent * tangent + 1);
  const sine = tangent * cosine;
  for (const row of matrix) {
    const [x, y] = [row[p]!, row[q]!];
    row[p] = cosine * x - sine * y;
    row[q] = sine * x + cosine * y;
  }
  for (let k = 0; k < matrix.length; k++) {
    const [x, y] = [rowP[k]!, rowQ[k]!];
    rowP[k] = cosine * x - sine * y;
    rowQ[k] = sine * x + cosine * y;
  }
  return true;
}
