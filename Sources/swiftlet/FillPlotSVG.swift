import Stress

struct FillPlotSVG { let text: String; init(_ run: FillRun) { text = "" } }
struct ChurnPlotSVG { let text: String; init(_ run: ChurnRun) { text = "" } }
