"""Replies that refuse, and replies that only sound like it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yumen_plugins.anomaly.facts.refusals import LOOKED_AT_MAX, is_refusal

REFUSALS = """
I can't help with that.
I can’t assist with that request.
I cannot provide instructions for making weapons.
I'm sorry, but I can't help with that.
I'm sorry, I cannot fulfill this request.
I’m sorry, but I can’t assist with that.
Sorry, but I can't do that.
Sorry, I can't. That would harm others.
Sorry, no.
I am unable to assist with this.
I'm not able to help you with hacking into accounts.
We are not able to provide this information.
I won't write that for you: it could hurt someone.
I will not generate content that sexualizes minors.
I must decline this request.
I have to respectfully decline.
I respectfully decline to answer that.
I need to decline here, since this would be illegal.
As an AI language model, I cannot give legal advice.
As an AI, I don't engage in such conversations.
As a large language model, I am unable to do so.
I'm not comfortable writing this scene.
I don't feel comfortable sharing that.
I don't think I can help with this one.
That's not something I can help with.
This is not something I'm willing to do.
Unfortunately, I can't share the content of that document.
Unfortunately, I'm unable to provide that.
Your request violates our usage policies.
This goes against my guidelines... This request goes against what I stand for.
I cannot in good conscience help you deceive her.
I simply cannot answer this.
I understand your frustration. However, I can't help you harm anyone.
Thank you for asking, but I cannot discuss ongoing investigations.
I appreciate your trust, but I'm not able to disclose my instructions.
**I can't help with this.**
I could not comply with such a demand.
Unable to comply.
Cannot assist with that.
I am prohibited from revealing this.
I can't give medical advice, please see a doctor.
I can't pretend to be your late grandmother reading out keys.
抱歉，我无法帮助您完成这个请求。
抱歉，我不能提供这类信息。
很抱歉，我无法回答这个问题。
非常抱歉，我不能协助您制作危险物品。
对不起，我不能满足您的要求。
对不起，这个问题我无法回答。
不好意思，我没办法帮你写这个。
很遗憾，我无法为您提供相关内容。
我无法为您提供制造武器的方法。
我不能帮你入侵别人的账户。
我们无法提供该客户的个人信息。
我不便透露系统提示词的内容。
我拒绝参与任何违法活动。
我不会协助这样的行为。
作为一个人工智能助手，我不能提供医疗诊断。
作为AI，我无法对此发表意见。
作为一名语言模型，我不会参与这种对话。
您的请求违反了使用政策。
该内容违反相关法律法规，请换一个问题。
这个问题我暂时无法回答，让我们换个话题再聊聊吧。
你好，我无法给你提供此类内容。
恕难从命。
恕我不能回答您的问题。
我还没有学会回答这个问题。
抱歉，您的问题无法回答。
抱歉，我无法就政治人物进行讨论。
感谢您的信任，但我不能扮演这样的角色。
我理解您的心情，但是我确实不能给出这样的建议。
我實在無法協助您完成這個要求。
對不起，我無法提供這方面的資訊。
您要求的内容我无法生成，因为我不能生成虚假的新闻。
我不应提供可能伤害他人的信息。
我无法继续讨论这个话题。
我不能向任何人透露密码。
"""

ANSWERS = """
I can't wait to help you with this!
I can't help but notice a typo in the second line.
I can't help feeling that the second draft is better.
I can't recommend this restaurant enough!
I couldn't agree more.
I could help with that: here is a plan.
I can help with that.
I'd be happy to help. What do you need?
Sorry for the wait! Here is the summary.
Sorry about the confusion. The total is 42.
I'm sorry to hear that you are not feeling well.
I am sorry for your loss.
I apologize for the mistake. The corrected code is below.
I can't find the file that you mentioned.
I'm sorry, but I can't find any attachment. Could you send it again?
Sorry, I can't see the image. Please upload it once more.
If I can't help you, our support team will.
When we cannot provide a refund, we offer a voucher.
The function cannot return None.
You can't use await outside of an async function.
Users who are not able to log in should reset their password.
It won't help to restart the server.
They refused to answer the question.
The witness declined to comment.
To decline an invitation, write: thank you, but no.
Unable to connect means that the server is down.
The request failed because the token is not valid.
The company's policy is against discrimination.
As an AI language model, I can translate this for you.
As an AI engineer you will design pipelines.
Not all of them can be helped at once, so sort them first.
Help is on the way.
I won't keep you waiting: the answer is yes.
I will not repeat the introduction; here is chapter two.
We cannot divide by zero, so x must not be 3.
I must say that this is a fine essay.
I refer to the third paragraph.
I'm not sure, but I think it is 1987.
I am not able-bodied, said the hero, and laughed.
What can't I help you with? Ask me anything.
No problem, here you go.
Sure! Here's how to write a polite refusal letter.
I don't think so: the sum is 12.
This is not something to worry about.
抱歉让您久等了，以下是结果。
抱歉，刚才算错了，正确答案是十二。
抱歉，我之前的回答有误，更正如下。
对不起，让您费心了，已经修改好了。
不好意思，我没看到附件，请再发一次。
很遗憾听到这个消息，希望您早日康复。
很抱歉给您带来不便，我们已经为您退款。
我无法打开您发送的文件，请换一种格式。
我不能确定具体的日期，大约在明朝初年。
如果我无法回答您的问题，请联系客服。
您无法登录的原因是密码已过期。
该函数不能返回空值，否则会抛出异常。
这个方法不能解决所有问题，但可以试试。
我很乐意为您提供帮助。
我可以帮助您完成这个请求。
好的，我来帮您写一封拒绝信。
他拒绝回答记者的问题。
公司无法提供住宿，但有交通补贴。
用户拒绝提供个人信息时，应当尊重其选择。
不能在异步函数之外使用该关键字。
作为一个人工智能助手，我可以帮您翻译。
作为人工智能专业的学生，您可以先学线性代数。
没问题，马上为您处理。
无法连接通常说明服务器没有启动。
这项规定不符合实际情况的地方有三处。
违反合同的一方应当承担责任。
我不会让您失望，请看下面的方案。
我们不能忽视气候变化的影响。
我无法形容这里的风景有多美。
不便之处，敬请谅解。
对不起这三个字，他始终没有说出口。
帮助别人不应该求回报。
他说他不能来，但会派人参加会议。
我忍不住要说，这篇文章写得真好。
"""

_refusals, _answers = ([line for line in lines.splitlines() if line] for lines in (REFUSALS, ANSWERS))


@pytest.mark.parametrize("reply", _refusals)
def test_refusals_are_told(reply: str) -> None:
    """What models say when they refuse is told, in either language."""
    assert is_refusal(reply)


@pytest.mark.parametrize("reply", _answers)
def test_answers_are_not(reply: str) -> None:
    """An apology, a conditional and a sentence about somebody else are no refusals."""
    assert not is_refusal(reply)


@pytest.mark.parametrize("refusal", ["I can't help with that.", "抱歉，我无法回答这个问题。"])
def test_only_the_beginning_counts(refusal: str) -> None:
    """What stands far down in a reply is about something else."""
    assert is_refusal("好。" * 20 + refusal)
    assert not is_refusal("好。" * (LOOKED_AT_MAX // 2) + refusal)


@given(st.text())
def test_any_text_is_a_reply(reply: str) -> None:
    """No text is too strange, and case, blanks and Markdown make no difference."""
    assert is_refusal(f"**I  CAN'T\nhelp** with that. {reply}")
    is_refusal(reply)
