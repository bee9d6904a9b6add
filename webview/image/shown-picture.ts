/** The decoded picture of the run, once it is here; every region that shows it draws the same one. */
export class ShownPicture {
  drawable: CanvasImageSource | null = null;
}
