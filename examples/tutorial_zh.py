"""中文教程 docs/tutorial/tutorial.zh.md 中的 Python 程序：从 CSV 到保存好的模型。"""

import csv

from fastlstm import LSTMSentimentClassifier, Predictor, datasets

# -- 准备 CSV ------------------------------------------------------------------------

chinese = {"positive": "好评", "neutral": "中评", "negative": "差评"}
reviews = datasets.load_reviews(language="zh")
for split in ("train", "test"):
    with open(f"{split}.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["文本", "标签"])
        for text, label, part in zip(reviews.texts, reviews.labels, reviews.splits, strict=True):
            if part == split:
                rows.writerow([text, chinese[label]])

# -- 训练 ------------------------------------------------------------------------------


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row["文本"] for row in rows], [row["标签"] for row in rows]


texts, labels = read("train.csv")
clf = LSTMSentimentClassifier(random_state=0, n_estimators=1)
clf.fit(texts, labels)

test_texts, test_labels = read("test.csv")
print(f"{clf.score(test_texts, test_labels):.3f}")

# -- 解释 ------------------------------------------------------------------------------

(why,) = clf.explain(["剧情很好，可是音效太差了。"])
print(why)

# -- 保存与加载 --------------------------------------------------------------------------

clf.save("from_python.fastlstm")

predictor = Predictor("from_python.fastlstm")
print(predictor.predict(["包装很好，物流也快。", "用了两天就坏了。"]))
